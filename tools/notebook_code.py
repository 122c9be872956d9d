"""Notebook -> its code cells as text, which DVC watches: running a notebook or editing its prose retrains
nothing.

    python tools/notebook_code.py build/code/quick

writes a file for each notebook that the pipeline runs. It imports nothing heavy: it is part of every `dvc
repro`.
"""

import json
import sys
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def code_of(notebook: Path) -> str:
    """The code cells, in order, without outputs, counts or metadata."""
    cells = json.loads(notebook.read_text())["cells"]
    code = ["".join(cell["source"]).rstrip() for cell in cells if cell["cell_type"] == "code"]
    return f"# the code of {notebook.name}\n\n" + "\n\n# %%\n".join(code) + "\n"


def write(folder: Path, notebooks: Path = NOTEBOOKS) -> None:
    """One file a notebook into `folder`; what no notebook makes any more goes."""
    found = {f"{notebook.stem}.py": notebook for notebook in sorted(notebooks.glob("[1-3][0-9]_*.ipynb"))}
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        if left.name not in found:
            left.unlink()
    for name, notebook in found.items():
        (folder / name).write_text(code_of(notebook))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
