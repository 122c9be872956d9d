"""Runs the notebooks that teach, 00 to 07, in place and keeps what they show: they are read where nothing
runs.

    python tools/teach.py [notebooks/04_compressibility.ipynb ...]

A notebook's metadata hold a digest of the code that made its outputs; a test compares it with the code that
stands there. Times, progress bars and the kernel's version stay out: a run that shows the same gives the same
file.
"""

import base64
import hashlib
import io
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

# the tree of this file, whichever one the environment knows
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from lib.core.files import write_text  # noqa: E402

KEPT = "teaches"  # the notebook's metadata with the digest
WIDEST = 1100  # pixels of a picture; a page of GitHub shows about 900
COLOURS = 128
BAR = "application/vnd.jupyter.widget-view+json"  # a progress bar
ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:home|Users|root|mnt|tmp|opt|var|usr|work)/|[A-Z]:\\\\")
QUIET = {"TQDM_DISABLE": "1", "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}


def notebooks() -> list[Path]:
    return sorted((ROOT / "notebooks").glob("0?_*.ipynb"))


def digest(notebook: NotebookNode) -> str:
    """Of all that a run depends on in a notebook: its code cells in order, parameters among them."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\n\n# %%\n".join(code).encode()).hexdigest()


def run(notebook: NotebookNode, folder: Path) -> None:
    """Executes all cells, in `folder`, and leaves in the notebook what they show."""
    client = NotebookClient(
        notebook,
        timeout=3600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        store_widget_state=False,
    )
    client.execute(env={**os.environ, **QUIET})
    code = (cell for cell in notebook.cells if cell.cell_type == "code")
    for count, cell in enumerate(code, 1):
        cell.execution_count = count  # nbval takes a cell without one for one that was not run
        cell.outputs = [shown(output) for output in cell.outputs if stays(output)]
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], KEPT: {"code": digest(notebook)}}


def stays(output: NotebookNode) -> bool:
    """Progress bars go; so does what is said on stderr, which is passed on."""
    if output.get("name") == "stderr":
        print(output["text"].rstrip(), file=sys.stderr)
        return False
    return BAR not in output.get("data", {})


def shown(output: NotebookNode) -> NotebookNode:
    """An output, a picture in it no larger than a page needs."""
    if "image/png" in output.get("data", {}):
        output.data["image/png"] = smaller(output.data["image/png"])
    return output


def smaller(picture: str) -> str:
    """A PNG in base64, at most `WIDEST` pixels wide, with `COLOURS` colours."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    png = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(png, "png", optimize=True)
    return base64.b64encode(png.getvalue()).decode()


def wrong(notebook: NotebookNode) -> list[str]:
    """What does not belong in a notebook that is read."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [output["text"] for output in outputs if output.get("name") == "stderr"]
    texts = [output["text"] for output in outputs if "text" in output]
    texts += [
        str(value)
        for output in outputs
        for kind, value in output.get("data", {}).items()
        if not kind.startswith("image/")
    ]
    found = [f"it says on stderr: {text.strip()}" for text in said]
    found += [f"it shows an absolute path: {text.strip()[:200]}" for text in texts if ABSOLUTE.search(text)]
    if not any("image/png" in output.get("data", {}) for output in outputs):
        found.append("it shows no picture")
    if notebook.metadata.get(KEPT, {}).get("code") != digest(notebook):
        found.append("its outputs come from other code; run `make notebooks`")
    return found


def main(paths: list[Path]) -> None:
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        try:
            run(notebook, path.parent)
        except CellExecutionError as error:
            sys.exit(f"error: {path.name}: {error}")
        if found := wrong(notebook):
            sys.exit(f"error: {path.name}: {'; '.join(found)}")
        write_text(path, nbformat.writes(notebook) + "\n")
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} KB", flush=True)


if __name__ == "__main__":
    main([Path(name).resolve() for name in sys.argv[1:]] or notebooks())
