"""The notebooks that teach, 00 to 07, as they are committed: executed, by the code that stands in them; and
the pictures of how things are built, which they show."""

import itertools
import re
import subprocess

import nbformat
import pytest
import teach
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib.report import schematics
from lib.settings import config

TAUGHT = teach.notebooks()
EACH = pytest.mark.parametrize("path", TAUGHT, ids=lambda path: path.stem)
METHODS = (config.ROOT / "docs" / "methods.md").read_text()
ITEM = re.compile(r"(?<![\w\[#/.])[ABC]\d{1,2}(?![\w%.]*\w)")
NO_PROSE = r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\[[^\]]*\]\([^)]*\)|<!-- \w+ -->.*?<!-- end -->"


def prose(path) -> list[str]:
    return [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"]


def test_they_are_the_eight():
    assert [path.name[:2] for path in TAUGHT] == [f"0{number}" for number in range(8)]


@EACH
def test_it_shows_what_its_code_makes_and_nothing_else(path):
    assert teach.wrong(nbformat.read(path, as_version=4)) == []


@EACH
def test_it_holds_no_time_and_counts_from_top_to_bottom(path):
    """What a new kernel counts, whoever runs it."""
    notebook = nbformat.read(path, as_version=4)
    assert set(notebook.metadata) == {"kernelspec", teach.KEPT}
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code, 1):
        assert cell.execution_count == count
        assert {output.get("execution_count", count) for output in cell.outputs} <= {count}


def test_all_together_are_small():
    assert sum(path.stat().st_size for path in TAUGHT) < 3e6


@EACH
def test_it_has_headings_and_leads_on_and_back(path):
    texts = prose(path)
    assert len(re.findall(r"^## ", "\n".join(texts), re.MULTILINE)) >= 3
    later = sorted(each.name for each in path.parent.glob("*.ipynb") if each.name > path.name)
    back = [] if path.name.startswith("00") else ["00_start_here.ipynb"]
    assert re.findall(r"\]\(([^)]+)\)", texts[-1]) == [later[0], *back]


@EACH
def test_every_item_of_methods_is_a_link_to_what_is_there(path):
    text = "\n".join(prose(path))
    assert ITEM.findall(re.sub(NO_PROSE, " ", text, flags=re.DOTALL)) == []
    linked = re.findall(r"methods\.md#([\w.-]+)\)", text)
    assert not [item for item in linked if f'<a id="{item}"></a>' not in METHODS]


def test_git_and_the_hook_leave_their_outputs_and_strip_the_others():
    names = sorted(path.name for path in (config.ROOT / "notebooks").glob("*.ipynb"))
    command = ["git", "check-attr", "filter", "--", *(f"notebooks/{name}" for name in names)]
    said = subprocess.run(command, cwd=config.ROOT, check=True, capture_output=True, text=True).stdout
    stripped = [line.split("/")[1].split(":")[0] for line in said.splitlines() if line.endswith("nbstripout")]
    assert stripped == [name for name in names if name[0] in "123"]
    hook = (config.ROOT / ".pre-commit-config.yaml").read_text().split("- id: ")[1]
    left = re.search(r"exclude: (\S+)", hook)[1]
    assert stripped == [name for name in names if not re.search(left, f"notebooks/{name}")]


def executed(*sources, folder):
    notebook = new_notebook(cells=[new_markdown_cell("# A title"), *map(new_code_cell, sources)])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3 (ipykernel)", "name": "python3"}
    teach.run(notebook, folder)
    return notebook


PICTURE = """
from lib.report.plots import figure, show
fig, [ax] = figure(200, 50)
ax.plot([0, 1])
show(fig)
"""


def test_a_run_keeps_what_is_shown_without_bars_and_warnings_and_twice_the_same(tmp_path, capfd):
    loud = "import sys\nfrom tqdm.auto import tqdm\nprint('said')\nprint('careful', file=sys.stderr)\n"
    loud += "_ = list(tqdm(range(3), disable=False))\n1 + 1"
    first = executed(loud, PICTURE, folder=tmp_path)
    assert teach.wrong(first) == [] and "careful" in capfd.readouterr().err
    kinds = [output.output_type for cell in first.cells[1:] for output in cell.outputs]
    assert kinds == ["stream", "execute_result", "display_data"]
    picture = first.cells[2].outputs[0]
    assert (
        teach.Image.open(teach.io.BytesIO(teach.base64.b64decode(picture.data["image/png"]))).width
        == teach.WIDEST
        < 200 / 25.4 * 200
    )
    again = executed(loud, PICTURE, folder=tmp_path)
    assert [cell.get("outputs") for cell in again.cells] == [cell.get("outputs") for cell in first.cells]
    assert again.metadata == first.metadata


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n: n.cells[1].update(source=n.cells[1].source + "\n# a remark"), "other code"),
        (lambda n: n.cells.append(new_code_cell("1")), "other code"),
        (lambda n: n.cells[1].outputs.append(new_output("stream", name="stderr", text="!")), "stderr"),
        (lambda n: n.cells[1].outputs.append(new_output("stream", text="at /home/me/x")), "absolute path"),
        (lambda n: n.cells[1].outputs.clear(), "no picture"),
        (lambda n: n.metadata.pop(teach.KEPT), "other code"),
    ],
)
def test_what_is_wrong_is_found(change, words):
    notebook = nbformat.read(TAUGHT[1], as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown" or cell.outputs]
    shown = next(cell for cell in notebook.cells if "image/png" in str(cell.get("outputs")))
    notebook.cells = [notebook.cells[0], shown]
    notebook.metadata[teach.KEPT] = {"code": teach.digest(notebook)}
    assert teach.wrong(notebook) == []
    change(notebook)
    [found] = teach.wrong(notebook)
    assert words in found


def test_prose_changes_no_digest():
    notebook = nbformat.read(TAUGHT[1], as_version=4)
    before = teach.digest(notebook)
    notebook.cells[0].source += "\n\nA remark."
    assert teach.digest(notebook) == before


@pytest.mark.parametrize("draw", [schematics.site, schematics.removal, schematics.stages])
def test_no_text_of_a_schematic_lies_on_another_or_leaves_the_page(draw):
    fig = draw()
    fig.canvas.draw()
    [ax] = fig.axes
    texts = [(text.get_text(), text.get_window_extent()) for text in ax.texts if text.get_text()]
    assert draw.__doc__ and len(texts) > 10
    for name, at in texts:
        assert fig.bbox.x0 < at.x0 < at.x1 < fig.bbox.x1 and fig.bbox.y0 < at.y0 < at.y1 < fig.bbox.y1, name
    assert not [(a, b) for (a, x), (b, y) in itertools.combinations(texts, 2) if x.overlaps(y)]
