# code of 32_tab_claims.ipynb; written by lib/nbcode.py

study = "quick"

# %%
from IPython.display import Markdown, display

from lib import config, found, results

settings = config.load(study)
told = found.answers(settings)

# %%
text = found.as_text(told)
display(Markdown(text))

# %%
results.write_text(settings.results / "claims.md", text)
