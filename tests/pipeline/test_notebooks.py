"""The shape of the notebooks, without running one: thin, stripped but for those that teach (test_teach.py),
and in step with the code that DVC watches."""

import ast
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lib.settings import config
from lib.settings.grid import STAGES, WARMUPS
from tools import notebook_code

FOLDER = config.ROOT / "notebooks"
ALL = sorted(FOLDER.glob("*.ipynb"))
RUN = [path for path in ALL if path.name[0] in "123"]  # DVC runs them; 0x are to read
EACH = pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
EACH_RUN = pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)


def cells(path: Path, kind: str | None = None) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if kind in (None, cell.cell_type)]


def code_lines(source: str) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


def test_there_are_notebooks_of_each_band():
    assert {path.name[0] for path in ALL} == {"0", "1", "2", "3"}


@EACH
def test_it_is_numbered_and_valid(path):
    assert re.fullmatch(r"[0-3]\d_[a-z0-9_]+\.ipynb", path.name)
    nbformat.validate(nbformat.read(path, as_version=4))


def in_git(path: Path) -> nbformat.NotebookNode:
    """As it would be committed: what has been run and saved here is nobody's business.
    The file itself, if git has none."""
    found = subprocess.run(["git", "show", f":notebooks/{path.name}"], cwd=config.ROOT, capture_output=True)
    return nbformat.reads((found.stdout or path.read_bytes()).decode(), as_version=4)


@EACH_RUN
def test_it_is_stripped(path):
    """What running it leaves behind: in git it would be noise, and in a diff unreadable."""
    notebook = in_git(path)
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        assert cell.outputs == [] and cell.execution_count is None
    left = {"papermill", "execution", "ExecuteTime", "collapsed", "scrolled"}
    assert not [cell.id for cell in notebook.cells if left & set(cell.metadata)]
    assert set(notebook.metadata) <= {"kernelspec"}


@EACH
def test_it_is_written_as_jupyter_writes_it(path):
    """So that opening and saving it gives no diff."""
    assert path.read_text() == nbformat.writes(nbformat.read(path, as_version=4)) + "\n"


@EACH
def test_its_kernel_is_the_one_that_ipykernel_installs(path):
    """Or JupyterLab writes another one as soon as it saves. Papermill needs the language."""
    kernel = in_git(path).metadata.kernelspec
    assert kernel == {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


@EACH
def test_each_cell_has_an_id_of_its_own(path):
    notebook = nbformat.read(path, as_version=4)
    assert (notebook.nbformat, notebook.nbformat_minor >= 5) == (4, True)
    ids = [cell.get("id") for cell in notebook.cells]
    assert all(ids) and len(set(ids)) == len(ids)


@EACH
def test_it_names_no_absolute_path(path):
    text = "\n".join(cell.source for cell in cells(path))
    assert not re.search(r"""(?<![\w.:/])(/(home|Users|root|mnt|tmp|opt|var|usr)/|[A-Z]:\\\\)""", text)


@EACH
def test_it_opens_with_a_title_and_a_question(path):
    first = cells(path)[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith(f"# {path.name[:2]} · ")
    assert "?" in first.source


@EACH
def test_it_has_one_parameters_cell(path):
    tagged = [cell for cell in cells(path) if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1 or path.name.startswith("00_") and not tagged
    for cell in tagged:
        values = [
            ast.literal_eval(line.value) for line in ast.parse(cell.source).body
        ]  # plain assignments of constants
        assert values


@EACH
def test_its_cells_are_short(path):
    lengths = [code_lines(cell.source) for cell in cells(path, "code")]
    assert max(lengths) <= 20, f"cells of {lengths} lines"
    assert statistics.median(lengths) <= 8, f"cells of {lengths} lines"


@EACH
def test_its_lines_of_code_are_short(path):
    lines = [line for cell in cells(path, "code") for line in cell.source.splitlines()]
    assert not [line for line in lines if len(line) > 110]


@EACH
def test_it_speaks_of_what_there_is(path):
    """A notebook or a module that was renamed is renamed in prose, too."""
    text = "\n".join(cell.source for cell in cells(path))
    named = re.findall(r"\b([0-3]\d_[a-z_]+[a-z])\b", text)
    assert not [name for name in named if not (FOLDER / f"{name}.ipynb").exists()]
    files = re.findall(r"`((?:lib|tools|docs|studies)/[\w/.-]+\.\w+)`", text)
    assert not [name for name in files if not (config.ROOT / name).exists()]


@EACH
def test_no_code_cell_is_empty(path):
    assert all(cell.source.strip() for cell in cells(path, "code"))


@EACH_RUN
def test_it_defines_nothing(path):
    """A function belongs to lib/, where it has a test and one home."""
    for cell in cells(path, "code"):
        defined = [
            n.name
            for n in ast.walk(ast.parse(cell.source))
            if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        ]
        assert not defined


@EACH
def test_what_it_shows_and_links_to_is_there(path):
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    linked = re.findall(r"\]\(([^)#:]+)\)", text)
    assert not [name for name in linked if not (FOLDER / name).exists()]


@EACH_RUN
def test_it_has_headings_and_leads_on_and_back(path):
    """Those that teach: test_teach.py."""
    texts = [cell.source for cell in cells(path, "markdown")]
    assert len(re.findall(r"^## ", "\n".join(texts), re.MULTILINE)) >= 3
    later = [each.name for each in ALL if each.name > path.name]
    assert re.findall(r"\]\(([^)]+)\)", texts[-1]) == [*later[:1], "00_start_here.ipynb"]


@EACH
def test_what_it_names_is_a_link(path):
    """Another notebook, and an item or a section of docs/methods.md."""
    text = "\n".join(cell.source for cell in cells(path, "markdown"))
    assert not [name for name in re.findall(r"`([0-3]\d_[a-z_]+)`", text) if name != path.stem]
    plain = re.sub(r"`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|\[[^\]]*\]\([^)]*\)", " ", text, flags=re.DOTALL)
    assert re.findall(r"(?<![\w#/.])[ABC]\d{1,2}(?![\w%.]*\w)|§ ?\d", plain) == []
    anchors = re.findall(r'<a id="([^"]+)"', (config.ROOT / "docs" / "methods.md").read_text())
    assert set(re.findall(r"methods\.md#([\w.-]+)\)", text)) <= set(anchors)


def choices(name: str, path: Path) -> set[str]:
    """What a parameter of a compute notebook may be in the study of that name; of all stages that it runs."""
    study = config.load(name)
    code = "\n".join(cell.source for cell in cells(path, "code"))
    job = re.search(r"given\.job\((.*?)study=", code)
    if not job:
        return {task.data for task in study.tasks.values()}
    found = set()
    for stage in re.findall(r'"([\w-]+)"', job[1]):
        trained = WARMUPS.get(stage, stage)
        needs = STAGES[trained].needs
        found |= {name for name, task in study.tasks.items() if all(getattr(task, need) for need in needs)}
        found |= {stage} if "stage=stage" in code else set()
        found |= set(study.group(trained)) if "method=method" in code else set()
    return found


@EACH_RUN
def test_the_choices_stand_beside_its_parameters(path):
    """Every study; of a compute notebook every name in the smoke study, and none that quick has not."""
    [before] = [
        previous.source
        for previous, cell in itertools.pairwise(cells(path))
        if "parameters" in cell.metadata.get("tags", [])
    ]
    listed = before.split("## Choose")[1]
    studies = re.search(r"`study`: `quick`, or a folder of `studies/`: ([^.]+)\.", listed)[1]
    there = sorted(folder.parent.name for folder in config.ROOT.glob("studies/*/params.yaml"))
    assert studies == ", ".join(f"`{name}`" for name in there)
    if path.name[0] == "1":
        rows = [line.strip("|").split("|") for line in listed.splitlines() if line.startswith("| `")]
        smoke, quick = ({name for row in rows for name in re.findall(r"`([^`]+)`", row[n])} for n in (1, 2))
        assert smoke == choices("smoke", path) and quick <= choices("quick", path)


def test_the_pipeline_runs_every_notebook_but_those_for_reading():
    named = set(re.findall(r"\b([1-3]\d_\w+)", (config.ROOT / "dvc.yaml").read_text()))
    assert named == {path.stem for path in RUN}


@pytest.fixture
def copy(tmp_path) -> Path:
    """A repository of one's own, with the notebooks of this one."""
    for name in ("lib", "notebooks"):
        shutil.copytree(
            config.ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"),
        )
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "add", "--all"], check=True)
    return tmp_path


def watched(copy: Path) -> dict[str, str]:
    """The code that DVC watches: {file: its text}."""
    notebook_code.write(copy / "code", copy / "notebooks")
    return {path.name: path.read_text() for path in (copy / "code").iterdir()}


def test_prose_and_outputs_change_nothing_that_dvc_watches_and_code_does(copy):
    before = watched(copy)
    path = copy / "notebooks" / "12_prune_channels.ipynb"
    notebook = nbformat.read(path, as_version=4)
    prose = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]

    prose.source += "\n\nA remark."
    notebook.cells.append(nbformat.v4.new_markdown_cell("Another."))
    code.outputs = [nbformat.v4.new_output("stream", text="done\n")]
    code.execution_count = 7
    code.metadata["execution"] = {"iopub.execute_input": "now"}
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.0"}
    nbformat.write(notebook, path)
    assert watched(copy) == before

    code.source += "\nprint(1)"
    nbformat.write(notebook, path)
    after = watched(copy)
    assert [name for name in before if after[name] != before[name]] == ["12_prune_channels.py"]


def git(copy: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=copy, check=True, capture_output=True, text=True).stdout


def test_a_notebook_that_was_run_and_saved_gives_no_diff_once_make_has_set_up_the_clone(copy):
    for name in (".gitattributes", ".gitconfig", "Makefile"):
        shutil.copy(config.ROOT / name, copy)
    (copy / ".venv").symlink_to(sys.prefix)
    git(copy, "add", ".gitattributes", "notebooks")
    path = copy / "notebooks" / "12_prune_channels.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata["language_info"] = {
        "name": "python",
        "version": "3.12.1",
        "codemirror_mode": {"name": "ipython"},
    }
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.outputs = [nbformat.v4.new_output("stream", text="done\n")]
        cell.execution_count = number + 1
        cell.metadata["execution"] = {"iopub.execute_input": "now"}
    nbformat.write(notebook, path)
    assert len(git(copy, "diff").splitlines()) > 100, "git does not filter by itself"

    for _ in range(2):
        subprocess.run(["make", "filter"], cwd=copy, check=True)
        assert git(copy, "diff", "--stat") == ""
    assert git(copy, "config", "--local", "--get-all", "include.path") == "../.gitconfig\n"
    notebook.cells[1].source += "\n# a remark"
    nbformat.write(notebook, path)
    assert [line for line in git(copy, "diff", "-U0").splitlines() if line.startswith("+ ")][-1].endswith(
        '# a remark"'
    )


def test_make_sets_the_filter_up_and_the_hooks_strip_the_same():
    recipe = (config.ROOT / "Makefile").read_text().split(".venv/.ready:")[1].split("\n\n")[0]
    assert "$(MAKE) --no-print-directory filter" in recipe
    texts = [(config.ROOT / name).read_text() for name in (".gitconfig", ".pre-commit-config.yaml")]
    there, here = (re.search(r'--extra-keys\s+\\?"([^"\\]+)', text)[1] for text in texts)
    assert there == here


def test_a_tree_without_git_is_set_up_as_well(tmp_path):
    shutil.copy(config.ROOT / "Makefile", tmp_path)
    alone = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    subprocess.run(["make", "filter"], cwd=tmp_path, check=True, env=alone)
