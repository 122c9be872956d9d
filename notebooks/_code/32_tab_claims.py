# code of 32_tab_claims.ipynb; written by lib/nbcode.py

study = "quick"

# %%
from IPython.display import Markdown, display

from lib import claims, config, results

settings = config.load(study)
told = claims.answers(settings)

# %%
text = claims.as_text(told)
display(Markdown(text))

# %%
results.write_text(settings.results / "claims.md", text)
