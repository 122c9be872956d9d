"""The pipeline and the house around it, checked on a copy as a fresh clone would have it; nothing is run."""

import ast
import configparser
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from lib.settings import config
from tools import check

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")
PARAMS = [config.ROOT / "params.yaml", *sorted(config.ROOT.glob("studies/*/params.yaml"))]
LEFT_OUT = (
    ".venv",
    ".git",
    "build",
    "runs",
    "data",
    "__pycache__",
    ".ipynb_checkpoints",
    "*.egg-info",
    ".*_cache",
    "cache",
    "tmp",
)


def read(path: Path) -> dict:
    return YAML(typ="safe").load(path.read_text())


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A copy of what git keeps or would keep, as a repository of its own."""
    folder = tmp_path_factory.mktemp("clone") / "study"
    shutil.copytree(config.ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (folder / "build").mkdir()
    (folder / "build" / ".gitkeep").touch()
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    subprocess.run(["git", "-C", folder, "-c", "core.excludesFile=", "add", "--all"], check=True)
    return folder


@pytest.fixture(scope="module")
def stages(clone) -> dict:
    """{name: stage} of the quick study, every template and matrix filled in by DVC itself."""
    with Repo(clone) as repo:
        return {stage.name: stage for stage in repo.index.stages if stage.path_in_repo == "dvc.yaml"}


@pytest.fixture(scope="module")
def notebook_stages(stages) -> dict:
    """{name: (stage, name of the notebook that it runs)}"""
    found = {
        name: re.search(r"papermill notebooks/(\S+)\.ipynb", stage.cmd) for name, stage in stages.items()
    }
    return {name: (stages[name], match[1]) for name, match in found.items() if match}


def parameters(notebook: str) -> set[str]:
    """The names that the notebook's parameters cell gives a value."""
    cells = nbformat.read(config.ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4).cells
    [task] = [task for task in tasks if "parameters" in task.metadata.get("tags", [])]
    return {target.id for line in ast.parse(task.source).body for target in line.targets}


def imports(path: Path) -> set[Path]:
    """The files of lib/ that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: import lib by its full name"
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "lib":
                steps = ["/".join(parts[: n + 1]) for n in range(len(parts))]
                found |= {
                    config.ROOT / file for step in steps for file in (f"{step}.py", f"{step}/__init__.py")
                }
    return {file for file in found if file.is_file()}


def closure(path: Path) -> set[str]:
    """The files of lib/ that running `path` reads; lib/__init__.py, which computes nothing, left out."""
    todo, seen = [path], set()
    while todo:
        new = imports(todo.pop()) - seen
        seen |= new
        todo += new
    return {file.relative_to(config.ROOT).as_posix() for file in seen} - {"lib/__init__.py"}


def inside(stage, entries) -> set[str]:
    """Paths of outputs or dependencies, seen from the root of the repository."""
    return {Path(entry.fs_path).relative_to(stage.repo.root_dir).as_posix() for entry in entries}


def files(watched: set[str]) -> set[str]:
    """The same with each folder of lib/ replaced by the files in it."""
    folders = {path for path in watched if path.startswith("lib/") and (config.ROOT / path).is_dir()}
    held = {
        file.relative_to(config.ROOT).as_posix()
        for folder in folders
        for file in (config.ROOT / folder).glob("*.py")
    }
    return watched - folders | held


def test_the_package_itself_computes_nothing():
    """Or it would belong to the dependencies of every stage: it looks at where it is imported, and may refuse."""
    nodes = ast.parse((config.ROOT / "lib" / "__init__.py").read_text()).body
    imported = [name for node in nodes for name in getattr(node, "names", [])]
    assert {name.name for name in imported} == {"sys", "Path"}
    left = [node for node in nodes if not isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [type(node) for node in left] == [ast.Expr, ast.FunctionDef, ast.Assign, ast.If]
    assert left[2].targets[0].id == "_root" and ast.unparse(left[3].body[0]).startswith("sys.exit(")


def own_pipelines(root: Path) -> list[str]:
    """The studies whose dvc.yaml is absent or is not the root's."""
    files = {path.parent.name: path.parent / "dvc.yaml" for path in root.glob("studies/*/params.yaml")}
    whole = (root / "dvc.yaml").read_bytes()
    return sorted(name for name, path in files.items() if not path.exists() or path.read_bytes() != whole)


def test_every_study_has_the_same_pipeline():
    """All but smoke, which only tests and notebooks run."""
    assert own_pipelines(config.ROOT) == ["smoke"], "copy the root's dvc.yaml into the folders of the others"


@pytest.fixture
def own_study(clone, tmp_path) -> Path:
    """The folder of a study of one's own, in a repository of one's own: quick's settings and the root's pipeline."""
    root = tmp_path / "study"
    shutil.copytree(clone, root)
    folder = root / "studies" / "mine"
    folder.mkdir()
    shutil.copy(root / "dvc.yaml", folder)
    text = (root / "params.yaml").read_text()
    for old, new in (
        ("study: quick", "study: mine"),
        ("root: .", "root: ../.."),
        ("params: ", "params: studies/mine/"),
    ):
        assert text.count(f"\n{old}") == 1
        text = text.replace(f"\n{old}", f"\n{new}")
    (folder / "params.yaml").write_text(text)
    return folder


def test_a_study_that_lacks_or_edits_the_pipeline_is_found(own_study):
    root = own_study.parent.parent
    assert own_pipelines(root) == ["smoke"]
    with open(own_study / "dvc.yaml", "a") as file:
        file.write("# mine\n")
    assert own_pipelines(root) == ["mine", "smoke"]
    (own_study / "dvc.yaml").unlink()
    assert own_pipelines(root) == ["mine", "smoke"]


def test_a_copy_of_the_pipeline_runs_the_stages_of_its_own_study(own_study, stages, monkeypatch):
    monkeypatch.setattr(config, "ROOT", own_study.parent.parent)
    check.check(own_study / "params.yaml")
    with Repo(own_study.parent.parent) as repo:
        own = {
            stage.name: stage for stage in repo.index.stages if stage.path_in_repo == "studies/mine/dvc.yaml"
        }
    assert set(own) == set(stages)
    for name, stage in stages.items():
        assert inside(own[name], own[name].outs) == {
            out.replace("/quick", "/mine") for out in inside(stage, stage.outs)
        }


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.parent.name)
def test_every_study_is_valid(path):
    check.check(path)


def keys(value) -> dict | None:
    return {key: keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None


def test_the_smoke_study_has_the_keys_of_the_quick_one():
    smoke, quick = (keys(read(config.ROOT / path)) for path in ("studies/smoke/params.yaml", "params.yaml"))
    for group in ("tasks", "weights", "tokens"):
        both = smoke[group].keys() & quick[group].keys()  # it has fewer, and what only larger studies have
        for study in (smoke, quick):
            study[group] = {name: value for name, value in study[group].items() if name in both}
    for method in (
        method
        for study in (smoke, quick)
        for group in ("weights", "tokens")
        for method in study[group].values()
    ):
        for fitted in ("densities", "share", "rewind", "rhos"):  # to the length of the training
            method.pop(fitted, None)
    assert smoke == quick


@pytest.mark.parametrize("group", ["weights", "tokens"])
def test_the_smoke_study_has_a_method_of_each_kind(group):
    smoke, quick = (getattr(config.load(name), group).values() for name in ("smoke", "quick"))
    assert {method.kind for method in smoke} == {method.kind for method in quick}


def test_a_matrix_over_a_dict_gives_one_stage_a_key(stages):
    """DVC does not document it; the methods and ablations of params.yaml rely on it."""
    study = config.load("quick")
    for stage, tasks, names in (
        ("channels", study.grid.pruned, study.methods),
        ("ablate", study.grid.ablated, study.ablations),
        ("baselines", study.grid.matched, study.baselines),
        ("weights", study.grid.rewired, study.weights),
    ):
        wanted = itertools.product(tasks, names)
        assert {n for n in stages if n.startswith(f"{stage}@")} == {
            f"{stage}@{'-'.join(key)}" for key in wanted
        }


def test_dvc_lists_a_stage_for_each_data_set_and_each_dense_network(stages):
    grid = config.load("quick").grid
    assert {n for n in stages if n.startswith("data@")} == {f"data@{name}" for name in grid.data}
    assert {n for n in stages if n.startswith("dense@")} == {f"dense@{task}" for task in grid.tasks}


def test_a_stage_writes_where_its_notebook_writes(stages):
    """All seeds of a task and method in two folders, of results and of networks, and no other stage writes there."""
    study = config.load("quick")
    for stage, tasks, names in (
        ("dense", study.grid.tasks, ["dense"]),
        ("channels", study.grid.pruned, study.methods),
        ("ablate", study.grid.ablated, study.ablations),
        ("baselines", study.grid.matched, study.baselines),
        ("weights", study.grid.rewired, study.weights),
    ):
        written = [
            sorted(inside(found, found.outs))
            for name, found in stages.items()
            if name.startswith(f"{stage}@")
        ]
        wanted = []
        for task, name in itertools.product(tasks, names):
            paths = [
                of(stage, task, name, seed)
                for of in (study.result_path, study.run_folder)
                for seed in study.grid.seeds
            ]
            assert len(set(paths)) == 2 * len(study.grid.seeds)
            wanted.append(sorted({path.parent.relative_to(config.ROOT).as_posix() for path in paths}))
        assert all(len(folders) == 2 for folders in wanted) and sorted(wanted) == sorted(written)


def test_a_stage_that_trains_watches_the_seeds_and_its_own_settings(stages):
    """They are not in its command: without them a new seed, or another setting of a method, would train nothing."""
    study = config.load("quick")
    groups = {
        "dense": [],
        "channels": ["methods"],
        "ablate": ["ablations"],
        "baselines": ["baselines"],
        "weights": ["weights"],
    }
    tasks = {
        "dense": study.grid.tasks,
        "channels": study.grid.pruned,
        "ablate": study.grid.ablated,
        "baselines": study.grid.matched,
        "weights": study.grid.rewired,
    }
    for kind, group in groups.items():
        for task in tasks[kind]:
            for key in [f"-{name}" for one in group for name in getattr(study, one)] or [""]:
                stage = stages[f"{kind}@{task}{key}"]
                [watched] = [set(dep.params) for dep in stage.deps if hasattr(dep, "params")]
                wanted = {
                    "data",
                    "threads",
                    "grid.seeds",
                    f"tasks.{task}",
                    *(f"{one}.{key[1:]}" for one in group),
                }
                assert watched == wanted | ({"methods"} if kind in ("ablate", "baselines") else set()), (
                    stage.name
                )


def test_every_parameter_of_a_notebook_is_passed_by_name(notebook_stages):
    """Papermill only warns of an unknown name, and a name that is not passed keeps the smoke study's value."""
    for name, (stage, notebook) in notebook_stages.items():
        passed = re.findall(r" -p (\w+) \S+", stage.cmd)
        assert sorted(passed) == sorted(parameters(notebook)), name


def test_no_value_is_passed_that_could_change_its_type(notebook_stages):
    """Papermill guesses: -p x 1e-3 is a number, -p x true a bool. Names are safe."""
    for name, (stage, _) in notebook_stages.items():
        for key, value in re.findall(r" -p (\w+) (\S+)", stage.cmd):
            assert re.fullmatch(r"[a-z][a-z0-9_-]*", value), f"{name}: {key} {value}"
            assert value not in ("true", "false", "none", "null", "inf", "nan"), name


def test_a_stage_watches_the_code_of_its_notebook_and_all_that_it_imports(notebook_stages):
    for name, (stage, notebook) in notebook_stages.items():
        code = f"notebooks/_code/{notebook}.py"
        deps = files(inside(stage, [dep for dep in stage.deps if dep.protocol == "local"]))
        missing = ({code} | closure(config.ROOT / code)) - deps
        assert not missing, f"{name}: add {', '.join(sorted(missing))} to its deps"


def test_a_stage_watches_nothing_of_lib_that_it_does_not_import(notebook_stages):
    """Or an edit elsewhere, of a colour say, would train everything again."""
    for name, (stage, notebook) in notebook_stages.items():
        watched = {dep for dep in files(inside(stage, stage.deps)) if dep.startswith("lib")}
        idle = watched - closure(config.ROOT / f"notebooks/_code/{notebook}.py")
        assert not idle, f"{name}: take {', '.join(sorted(idle))} out of its deps"


def test_a_figure_needs_no_data_no_run_and_no_network(notebook_stages):
    for name, (stage, notebook) in notebook_stages.items():
        if notebook[0] in "23":
            assert all(
                dep.startswith(("lib/", "results/", "notebooks/_code/", "params.yaml"))
                for dep in inside(stage, stage.deps)
            ), name
            assert not {
                file
                for file in closure(config.ROOT / f"notebooks/_code/{notebook}.py")
                if "models" in file or "pruning" in file
            }


def test_every_figure_notebook_has_a_stage_that_names_what_it_saves(notebook_stages):
    figures = {path.stem for path in (config.ROOT / "notebooks").glob("[23]*.ipynb")}
    run = {notebook: stage for stage, notebook in notebook_stages.values() if notebook[0] in "23"}
    assert set(run) == figures
    for notebook, stage in run.items():
        tree = ast.parse((config.ROOT / "notebooks" / "_code" / f"{notebook}.py").read_text())
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "plots.finish"
        ]
        saved = {
            f"figures/quick/{ast.literal_eval(call.args[2])}.{kind}"
            for call in calls
            for kind in ("svg", "png")
        }
        outs = inside(stage, stage.outs)
        assert saved == {out for out in outs if out.startswith("figures/")}, notebook
        assert outs, f"{notebook} writes nothing"


def test_every_committed_output_stays_in_git_and_survives_a_failure(clone):
    """cache: false, or DVC refuses what git tracks; persist: true, or DVC deletes it before the stage runs."""
    with Repo(clone) as repo:
        for out in repo.index.outs:
            path = Path(out.fs_path).relative_to(clone).as_posix()
            kept = path.startswith(("results/", "figures/", "notebooks/_code/"))
            assert kept or path.startswith(("data/", "runs/")), f"{path}: neither committed nor ignored"
            stamp = path.endswith("/params-checked")  # made anew in a second
            assert (out.use_cache, out.persist) == (not kept and not stamp, kept), path
            ignored = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=clone).returncode == 0
            assert ignored != kept, path


def test_what_nothing_has_been_run_of_is_left_out_of_dvcs_sight(clone):
    """Or each of its stages would be new to `dvc status`; and what has results is seen, or no lock could hold them."""
    ignored = re.findall(r"^/studies/(.+)/$", (clone / ".dvcignore").read_text(), re.MULTILINE)
    piped = [path.parent.name for path in clone.glob("studies/*/dvc.yaml")]
    assert sorted(ignored) == sorted(name for name in piped if not config.load(name).grid.tasks)
    assert not [name for name in ignored if (clone / "results" / name).exists()]
    with Repo(clone) as repo:
        seen = {stage.path_in_repo for stage in repo.index.stages}
    assert seen == {
        "dvc.yaml",
        "notebooks/dvc.yaml",
        *(f"studies/{name}/dvc.yaml" for name in set(piped) - set(ignored)),
    }


def test_of_a_study_that_is_kept_figures_and_tables_alone_are_stages(clone, stages):
    study = config.load("small")
    assert study.grid.made_by and study.grid.tasks and study.grid.data
    with Repo(clone) as repo:
        small = [stage for stage in repo.index.stages if stage.path_in_repo == "studies/small/dvc.yaml"]
        watched = {
            path for stage in small for path in inside(stage, stage.deps) if path.startswith("results/small")
        }
    assert {stage.name for stage in small} == {
        name for name in stages if name.startswith(("check", "fig-", "tab-"))
    }
    held = {path.relative_to(config.ROOT).as_posix() for path in study.results.iterdir() if path.is_dir()}
    assert held <= watched, "what no figure reads, the lock does not hold"


def test_everything_follows_the_check_of_the_parameters(stages):
    """So that a wrong value stops the pipeline before its first stage."""
    assert "runs/quick/params-checked" in inside(stages["check"], stages["check"].outs)
    for name, stage in stages.items():
        if name.startswith("data@"):
            assert "runs/quick/params-checked" in inside(stage, stage.deps)
        if name.startswith(("dense@", "channels@", "ablate@", "weights@")):
            assert "data/quick" in inside(stage, stage.deps)


def test_no_stage_is_bound_to_one_shell(stages):
    for name, stage in stages.items():
        assert not re.search(r"\[\[|<\(|\bsource\b|&>|\bexport\b", stage.cmd), name


def test_conda_and_pip_read_the_same_list():
    environment = read(config.ROOT / "environment.yml")
    assert set(environment) == {"name", "channels", "dependencies"}
    assert environment["name"] and environment["channels"] == ["conda-forge", "nodefaults"]
    python, pip, section = environment["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    assert section == {"pip": ["-r requirements.txt", "-e ."]}


def test_the_readme_activates_the_environment_that_conda_makes():
    named = re.findall(r"conda activate\s+([\w-]+)", (config.ROOT / "README.md").read_text())
    assert named and set(named) == {read(config.ROOT / "environment.yml")["name"]}


def test_every_requirement_is_pinned():
    pins = re.compile(r"^([A-Za-z0-9_.-]+)(\[\w+\])?(==\S+)?$")
    lines = {}
    for name in ("requirements.txt", "requirements-cluster.txt", "constraints.txt"):
        text = (line.split("#")[0].strip() for line in (config.ROOT / name).read_text().splitlines())
        lines[name] = [line for line in text if line and not line.startswith("-c ")]
        assert all(pins.match(line) for line in lines[name]), name
    pinned = {
        pins.match(line)[1].lower().replace("_", "-") for line in sum(lines.values(), []) if "==" in line
    }
    loose = {pins.match(line)[1].lower() for line in lines["requirements.txt"] if "==" not in line}
    assert not loose - pinned, "pin them in constraints.txt"


def test_dvc_reports_nothing_home():
    settings = configparser.ConfigParser()
    settings.read(config.ROOT / ".dvc" / "config")
    assert settings["core"]["analytics"] == "false"


def test_lib_is_not_ignored(clone):
    """The stock Python .gitignore ignores a folder of that name."""
    listed = subprocess.run(
        ["git", "ls-files", "lib"], cwd=clone, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {path.relative_to(config.ROOT).as_posix() for path in (config.ROOT / "lib").rglob("*.py")} <= set(
        listed
    )


@pytest.mark.parametrize(
    "path",
    [
        "data/quick/digits.npz",
        "runs/quick/x",
        "build/logs/x",
        ".venv/bin/python",
        "results/quick/.x.json.part",
    ],
)
def test_what_is_remade_is_ignored(path, clone):
    assert subprocess.run(["git", "check-ignore", "--quiet", path], cwd=clone).returncode == 0


def test_no_file_names_a_path_of_this_machine(clone):
    """They would be wrong on every other one, and say whose machine it was."""
    own = {str(path) for path in (config.ROOT, Path.home(), Path(sys.prefix)) if len(path.parts) > 1}
    pattern = re.compile(
        "|".join(rf"(?<![\w.:/-]){re.escape(path)}(?=[/\"'\s])" for path in sorted(own)).encode()
    )
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=clone, check=True, capture_output=True, text=True
    ).stdout
    assert not [name for name in listed.split("\0") if name and pattern.search((clone / name).read_bytes())]
