"""What a notebook is given: a wrong parameter is one line and nothing is left to run on with,
in a kernel as people use it."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from lib.core.errors import ConfigError
from lib.settings import config, given

FOLDER = config.ROOT / "notebooks"
RUN = sorted(FOLDER.glob("[123]*.ipynb"))
EACH_RUN = pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)


def cells(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def parameters(path: Path) -> dict:
    """{name: default} of the notebook's first code cell."""
    return {line.targets[0].id: ast.literal_eval(line.value) for line in ast.parse(cells(path)[0]).body}


def names(source: str, context: type) -> set[str]:
    """The variables that a cell sets (ast.Store) or reads (ast.Load), those inside a comprehension too."""
    return {
        node.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }


@pytest.fixture
def kernel(monkeypatch):
    """An IPython that has just been started, and that lib takes for the notebook's."""
    shell = InteractiveShell(config=Config(HistoryManager={"enabled": False}))
    monkeypatch.setattr(shell, "showtraceback", lambda *args, **kwargs: None)
    monkeypatch.setattr(given, "get_ipython", lambda: shell)
    monkeypatch.setattr(given, "earlier", None)
    return shell


def run(kernel, source: str) -> BaseException | None:
    """Runs a cell, as JupyterLab and papermill do; returns what it raised."""
    done = kernel.run_cell(source, store_history=True)
    return done.error_before_exec or done.error_in_exec


def asks(path: Path) -> str:
    """The line in which the notebook asks for its parameters, with what it needs."""
    lines = [line for line in cells(path)[1].splitlines() if " = given." in line]
    assert len(lines) == 1
    return "from lib.settings import given\n" + lines[0]


@EACH_RUN
def test_a_name_that_the_notebook_does_not_have_is_refused(path, kernel):
    """The cell that papermill puts in has the name; the line says what there is."""
    known = ", ".join(parameters(path))
    for name, value in (("methd", "sca-plus"), ("ratio", 0.9), ("seed", 3)):
        run(kernel, cells(path)[0])
        run(kernel, f"# Parameters\n{name} = {value!r}\n")
        error = run(kernel, asks(path))
        assert (
            type(error) is ConfigError
            and str(error) == f"parameter: {name!r} is not known; known are {known}"
        )


@EACH_RUN
def test_a_value_that_the_study_does_not_have_is_refused(path, kernel):
    for name in parameters(path):
        run(kernel, cells(path)[0])
        assert run(kernel, asks(path)) is None
        run(kernel, f"# Parameters\n{name} = 'nosuch'\n")
        asked = cells(path)[1] if name == "which" else asks(path)  # of what the study has results of
        error = run(kernel, asked)
        assert type(error) is ConfigError and str(error).startswith(name) and "\n" not in str(error)
        assert "'nosuch' is not known; known are " in str(error)


@EACH_RUN
def test_parameters_are_read_where_they_are_checked_and_nowhere_else(path):
    """Later they may be newer than what was computed."""
    assert names(cells(path)[1], ast.Load) >= set(parameters(path))
    asked = ast.parse(asks(path)).body[-1].value
    assert {keyword.arg: keyword.value.id for keyword in asked.keywords} == {
        name: name for name in parameters(path)
    }
    for source in cells(path)[2:]:
        assert not names(source, ast.Load) & set(parameters(path))


@EACH_RUN
def test_a_choice_that_fails_leaves_nothing_to_run_on_with(path, kernel):
    """All that the cells below have set is gone, be it fig, runs or the loops' variables."""
    first, second, *rest = cells(path)
    run(kernel, "my_own = [1]")
    run(kernel, first)
    assert run(kernel, asks(path)) is None
    made = set().union(*(names(source, ast.Store) for source in (second, *rest))) - {*parameters(path), "_"}
    kernel.user_ns.update({name: [name] for name in made})
    run(kernel, "study = 'nosuch'")
    assert type(run(kernel, second)) is ConfigError
    held = {name for name in made if name in kernel.user_ns}
    assert made and not held
    assert kernel.user_ns["my_own"] == [1], "what stood above is not the notebook's to take"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"task": "digits-spikformer"},
            "in study smoke: 'digits-spikformer' is not known; known are digits-vgg",
        ),
        ({"stage": "tokens"}, "stage: 'tokens' is not known; known are channels, ablate"),
        (
            {"stage": "ablate"},
            "method of stage ablate in study smoke: 'sca' is not known; known are ablations",
        ),
        ({"method": "pq"}, "known are sca, sca-soft, only-prune, random, sca-plus"),
        ({"study": "nosuch"}, "study 'nosuch' is not known; known are quick, "),
    ],
)
def test_what_belongs_to_another_stage_is_refused(asked, said):
    right = {"study": "smoke", "stage": "channels", "task": "digits-vgg", "method": "sca"}
    assert given.job("channels", "ablate", **right)[1:] == ("channels", "digits-vgg", "sca")
    with pytest.raises(ConfigError) as error:
        given.job("channels", "ablate", **{**right, **asked})
    assert said in str(error.value)


def test_papermill_stops_in_one_line_before_anything_is_written(tmp_path):
    """By hand, as people call it."""
    before = {path: path.stat().st_mtime_ns for path in (config.ROOT / "figures" / "quick").iterdir()}
    command = [sys.executable, "-m", "papermill", "notebooks/23_fig_ablation.ipynb", tmp_path / "out.ipynb"]
    command += ["--no-progress-bar", "--log-level", "ERROR", "-p", "stdy", "small"]
    done = subprocess.run(command, cwd=config.ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr.strip().splitlines()[-1]
        == "ConfigError: parameter: 'stdy' is not known; known are study, which"
    )
    assert before == {path: path.stat().st_mtime_ns for path in (config.ROOT / "figures" / "quick").iterdir()}


def test_run_all_with_a_wrong_method_on_a_warm_kernel_writes_nothing(kernel, monkeypatch, tmp_path):
    """Every cell is sent, whatever fails: that happens when a browser is faster than the kernel that
    refuses."""
    smoke = config.load("smoke").model_copy(update={"out": str(tmp_path)})
    monkeypatch.setattr(config, "load", lambda study: smoke)
    first, *rest = cells(FOLDER / "12_prune_channels.ipynb")
    assert [run(kernel, source) for source in (first, *rest)] == [None] * (1 + len(rest))
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert smoke.result_path("channels", "digits-vgg", "sca", 0) in written

    run(kernel, first.replace('"sca"', '"nosuch"'))
    errors = [run(kernel, source) for source in rest]
    assert isinstance(errors[0], ConfigError) and all(isinstance(error, NameError) for error in errors[1:])
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
