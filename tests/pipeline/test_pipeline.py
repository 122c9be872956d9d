"""The one pipeline, filled in by DVC itself on a copy as a fresh clone would have it; nothing is run."""

import ast
import itertools
import re
import shutil
import subprocess
from pathlib import Path

import dvc_inside
import nbformat
import notebook_code
import pytest
from ruamel.yaml import YAML

from lib.settings import STAGES, config
from lib.settings.grid import WARMUPS
from lib.training import checkpoint
from tools import check

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
PARAMS = [config.ROOT / "params.yaml", *sorted(config.ROOT.glob("studies/*/params.yaml"))]
# what the notebooks of a stage may import; `show`: never torch
WINGS = {stage: checkpoint.WINGS for stage in (*STAGES, *WARMUPS)}
WINGS |= {"data": ("core", "settings", "data"), "show": ("core", "settings", "report")}


def read(path: Path) -> dict:
    return YAML(typ="safe").load(path.read_text())


def found_in(root: Path) -> dict[str, dvc_inside.Stage]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return dvc_inside.stages()


@pytest.fixture(scope="module")
def every(clone) -> dict:
    """{address: stage} of all studies, every template and matrix filled in."""
    return found_in(clone)


@pytest.fixture(scope="module")
def stages(every) -> dict:
    """{name: stage} of the quick study."""
    return {stage.name: stage for stage in every.values() if stage.pipeline == "dvc.yaml"}


@pytest.fixture(scope="module")
def runs(stages) -> dict:
    """{name of a stage that runs a notebook: the notebook}"""
    found = {
        name: re.search(r"papermill notebooks/(\S+)\.ipynb", each.command) for name, each in stages.items()
    }
    return {name: match[1] for name, match in found.items() if match}


@pytest.fixture(scope="module")
def inside(clone):
    """Paths as seen from the root."""
    return lambda paths: {Path(path).relative_to(clone).as_posix() for path in paths}


def kind(name: str) -> str:
    return name.split("@")[0]


def imports(source: str) -> set[str]:
    """The wings of lib/ that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("lib.")}


# ---------------------------------------------------------------- one file, many studies


def test_the_pipeline_of_every_study_is_a_link_to_the_one_file():
    for path in config.ROOT.glob("studies/*/params.yaml"):
        pipeline = path.parent / "dvc.yaml"
        assert pipeline.is_symlink() and pipeline.readlink() == Path("../../dvc.yaml"), path.parent.name


def test_a_study_of_ones_own_has_the_stages_of_the_quick_one(clone, stages, tmp_path, monkeypatch):
    root = tmp_path / "study"
    shutil.copytree(clone, root, symlinks=True)
    folder = root / "studies" / "mine"
    folder.mkdir()
    (folder / "dvc.yaml").symlink_to("../../dvc.yaml")
    text = (root / "params.yaml").read_text()
    for old, new in {
        "study: quick": "study: mine",
        "root: .": "root: ../..",
        "params: ": "params: studies/mine/",
    }.items():
        assert text.count(f"\n{old}") == 1
        text = text.replace(f"\n{old}", f"\n{new}")
    (folder / "params.yaml").write_text(text)
    monkeypatch.setattr(config, "ROOT", root)
    check.check(folder / "params.yaml")
    own = {each.name: each for each in found_in(root).values() if each.pipeline == "studies/mine/dvc.yaml"}
    assert own.keys() == stages.keys()
    for name, stage in stages.items():
        writes = {path.replace("/quick", "/mine").replace(str(clone), str(root)) for path in stage.writes}
        assert set(own[name].writes) == writes


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.parent.name)
def test_every_study_is_valid(path):
    check.check(path)


def test_the_smoke_study_has_a_method_of_each_kind():
    smoke, quick = (config.load(name) for name in ("smoke", "quick"))
    for group in ("weights", "tokens"):
        kinds = [{method.kind for method in getattr(study, group).values()} for study in (smoke, quick)]
        assert kinds[0] >= kinds[1]
    assert smoke.methods.keys() == quick.methods.keys()


def test_what_nothing_has_been_run_of_is_left_out_of_dvcs_sight(clone, every):
    """Or each of its stages would be new to `dvc status`; and what has results is seen, or no lock could hold
    them."""
    ignored = re.findall(r"^/studies/(.+)/$", (clone / ".dvcignore").read_text(), re.MULTILINE)
    studies = [path.parent.name for path in clone.glob("studies/*/dvc.yaml")]
    kept = {name for name in studies if (clone / "results" / name).exists()}
    assert sorted(ignored) == sorted(set(studies) - kept)
    assert {each.pipeline for each in every.values()} == {
        "dvc.yaml",
        *(f"studies/{name}/dvc.yaml" for name in kept),
    }


def test_of_a_study_that_is_kept_figures_and_tables_alone_are_stages(every, stages):
    assert config.load("small").grid.made_by
    small = {each.name for each in every.values() if each.pipeline == "studies/small/dvc.yaml"}
    assert small == {name for name in stages if kind(name) in ("check", "code", "show")}


# ---------------------------------------------------------------- what stages write


def test_a_stage_writes_where_its_notebook_writes(stages, inside):
    """All seeds of a task and method in two folders, of results and of networks, and no other stage writes
    there."""
    study = config.load("quick")
    for stage, (part, _, _) in STAGES.items():
        wanted = set()
        for task, method in itertools.product(getattr(study.grid, part), study.group(stage)):
            folders = (
                study.result_path(stage, task, method, 0).parent,
                study.run_folder(stage, task, method, 0).parent,
            )
            whole = (folder.parent if stage == "dense" else folder for folder in folders)
            paths = [path.relative_to(config.ROOT).as_posix() for path in whole]
            wanted.add((f"{stage}@{task}" + f"-{method}" * (stage != "dense"), *sorted(paths)))
        made = {(name, *sorted(inside(each.writes))) for name, each in stages.items() if kind(name) == stage}
        assert made == wanted and wanted


def test_every_notebook_that_draws_has_a_stage_and_saves_under_its_name(runs, stages, inside):
    drawn = {name.partition("@")[2]: notebook for name, notebook in runs.items() if kind(name) == "show"}
    assert sorted(drawn.values()) == sorted(path.stem for path in notebook_code.NOTEBOOKS.glob("[23]*.ipynb"))
    for key, notebook in drawn.items():
        outs = inside(stages[f"show@{key}"].writes)
        assert len(outs) == 2 and {Path(out).stem for out in outs} == {key}
        code = notebook_code.code_of(notebook_code.NOTEBOOKS / f"{notebook}.ipynb")
        assert f'"{key}"' in code or f"{key}." in code, f"{notebook} does not save {key}"


def test_every_committed_output_stays_in_git_and_survives_a_failure(clone, every, inside):
    """DVC leaves it to git (cache: false), and does not delete it before the stage runs (persist: true). A
    warm-up is not deleted either: a stopped one goes on from what it has kept."""
    outs = {path: path in each.kept for each in every.values() for path in inside(each.writes)}
    kept = {path for each in every.values() for path in inside(each.kept) if not path.startswith("runs/")}
    listed = "\n".join(outs)
    done = subprocess.run(
        ["git", "check-ignore", "--stdin"], cwd=clone, input=listed, capture_output=True, text=True
    )
    assert set(done.stdout.splitlines()) == outs.keys() - kept
    assert all(path.startswith(("results/", "figures/", "tables/")) for path in kept)
    text = (clone / "dvc.yaml").read_text()
    warm = text.count("{persist: true}")
    assert warm == 2 and text.count("persist: true") == text.count("cache: false, persist: true") + warm


# ---------------------------------------------------------------- what stages read


def test_a_stage_watches_the_wings_that_its_notebook_may_import(stages, runs, inside):
    """One notion of `has it changed`: a training watches what its checkpoint is named by."""
    for name, notebook in runs.items():
        reads = inside(stages[name].reads)
        assert f"build/code/quick/{notebook}.py" in reads
        watched = {path.removeprefix("lib/") for path in reads if path.startswith("lib/")}
        assert watched == set(WINGS[kind(name)]), name
        used = imports(notebook_code.code_of(notebook_code.NOTEBOOKS / f"{notebook}.ipynb"))
        assert used - {"report"} <= watched, notebook  # what it draws by itself changes no number


def test_the_check_watches_the_wings_that_it_imports(stages, inside):
    source = (config.ROOT / "tools" / "check.py").read_text()
    watched = {path.removeprefix("lib/") for path in inside(stages["check"].reads) if path.startswith("lib/")}
    assert watched == imports(source)


def test_a_stage_that_trains_watches_the_seeds_and_its_own_settings(stages):
    """They are not in its command: without them a new seed, or another setting of a method, would train
    nothing."""
    study = config.load("quick")
    for stage, (part, group, _) in STAGES.items():
        for task, method in itertools.product(getattr(study.grid, part), study.group(stage)):
            own = {f"{group}.{method}"} if group else set()
            of = {"methods"} if stage in ("ablate", "baselines") else set()  # what those vary or match
            [watched] = stages[f"{stage}@{task}" + f"-{method}" * bool(group)].params.values()
            assert set(watched) == {"data", "threads", "grid.seeds", "grid.fewer", f"tasks.{task}"} | own | of


def test_a_cluster_knows_every_training_by_the_threads_that_it_watches(stages, inside):
    """Warm-ups, too: without a GPU they would train elsewhere than what goes on from them."""
    for name, stage in stages.items():
        watched = [key for keys in stage.params.values() for key in keys]
        trains = "lib/training" in inside(stage.reads) and kind(name) != "check"  # that asks what compiles
        assert ("threads" in watched) == trains, name


def test_a_figure_needs_no_data_and_no_network(stages, inside):
    for name, stage in stages.items():
        if kind(name) == "show":
            reads = inside(stage.reads)
            assert all(path.startswith(("lib/", "results/", "build/code/", "params.yaml")) for path in reads)


def test_the_first_figure_waits_for_one_task_alone(stages, inside):
    """So that there is one soon."""
    task = config.load("quick").headline
    reads = {path for path in inside(stages["show@accuracy"].reads) if path.startswith("results/quick")}
    assert reads == {f"results/quick/dense/{task}", f"results/quick/channels/{task}"}


def test_everything_follows_the_check_of_the_parameters(stages, inside):
    """So that a wrong value stops the pipeline before its first stage."""
    assert "runs/quick/params-checked" in inside(stages["check"].writes)
    for name, stage in stages.items():
        before = {"data": "runs/quick/params-checked", **dict.fromkeys(STAGES, "data/quick")}.get(kind(name))
        assert before is None or before in inside(stage.reads), name


# ---------------------------------------------------------------- what is passed to notebooks


def parameters(notebook: str) -> list[str]:
    """The names that the notebook's parameters cell gives a value."""
    cells = nbformat.read(notebook_code.NOTEBOOKS / f"{notebook}.ipynb", as_version=4).cells
    [cell] = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    return sorted(target.id for line in ast.parse(cell.source).body for target in line.targets)


def test_every_parameter_of_a_notebook_is_passed_by_name_and_as_a_name(runs, stages):
    """Papermill only warns of an unknown name; one that is not passed keeps the smoke study's value; and it
    guesses types: -p x 1e-3 is a number, -p x true a bool."""
    for name, notebook in runs.items():
        passed = re.findall(r" -p (\w+) (\S+)", stages[name].command)
        asked = [
            each for each in parameters(notebook) if each != "which"
        ]  # the pipeline draws the first task
        assert sorted(key for key, _ in passed) == asked, name
        for _, value in passed:
            assert re.fullmatch(r"[a-z][a-z0-9_-]*", value) and value not in (
                "true",
                "false",
                "none",
                "null",
                "nan",
            )


def test_no_stage_is_bound_to_one_shell(stages):
    for name, stage in stages.items():
        assert not re.search(r"\[\[|<\(|\bsource\b|&>|\bexport\b", stage.command), name
