# code of 32_tab_claims.ipynb; written by lib/nbcode.py

study = "quick"

# %%
from IPython.display import Markdown, display

from lib import findings, results
from lib.settings import given

settings = given.study(study=study)
answered = findings.answers(settings)

# %%
text = findings.as_text(answered)
display(Markdown(text))

# %%
results.write_text(settings.results / "claims.md", text)
