"""Notebook -> its code cells as text. DVC watches the text, so that running a notebook or editing its prose retrains nothing.

`python -m tools.notebook_code` writes notebooks/_code/NN_*.py for the notebooks that DVC runs. It imports nothing heavy: it is part of
every `dvc repro`.
"""

import json
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def digest(notebook: Path) -> str:
    """The code cells, in order, without outputs, counts or metadata."""
    cells = json.loads(notebook.read_text())["cells"]
    code = ["".join(cell["source"]).rstrip() for cell in cells if cell["cell_type"] == "code"]
    return (
        f"# code of {notebook.name}; written by tools/notebook_code.py\n\n" + "\n\n# %%\n".join(code) + "\n"
    )


def main() -> None:
    for notebook in sorted(NOTEBOOKS.glob("[1-3][0-9]_*.ipynb")):
        target = NOTEBOOKS / "_code" / f"{notebook.stem}.py"
        if not target.exists() or target.read_text() != digest(notebook):
            target.write_text(digest(notebook))


if __name__ == "__main__":
    main()
