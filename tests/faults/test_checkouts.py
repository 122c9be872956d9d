"""Two clones, an environment that knows the first: what starts in the second acts on it, or refuses in a
line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from lib.settings import config

pytestmark = pytest.mark.slow

NAMES = (
    "lib",
    "tools",
    "benchmarks",
    "docs",
    "notebooks",
    "results",
    "studies",
    "tables",
    "dvc.yaml",
    "params.yaml",
    "pyproject.toml",
    "README.md",
    "Makefile",
)
WHERE = "import lib; print(lib.__file__)"
UNMADE = shutil.ignore_patterns("__pycache__")


@pytest.fixture(scope="module")
def clones(tmp_path_factory) -> tuple[Path, Path]:
    """(the one that is installed, the one that is stood in)"""
    root = tmp_path_factory.mktemp("two")
    for clone in (root / "installed", root / "here"):
        for name in NAMES:
            source = config.ROOT / name
            if source.is_dir():
                shutil.copytree(source, clone / name, ignore=UNMADE)
            else:
                shutil.copy(source, clone / name)
    (root / "site").mkdir()
    # as an editable install does it: found last, after all else on the path
    known = f"import sys; sys.path.append({str(root / 'installed')!r})\n"
    (root / "site" / "sitecustomize.py").write_text(known)
    return root / "installed", root / "here"


@pytest.fixture
def start(clones):
    """Runs a command in a folder, with the environment that knows the first clone."""
    site = str(clones[0].parent / "site")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": site, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return lambda folder, *command: subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True
    )


def refused(done, clones) -> bool:
    installed, here = clones
    lines = done.stderr.splitlines()
    return done.returncode == 1 and lines == [
        f"error: this is {here}, but Python imports lib from {installed}; set PYTHONPATH={here}"
    ]


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("notebooks", ["-c", WHERE]),
        ("notebooks", ["-m", "tools.check"]),
        ("studies/small", ["-c", "from lib.settings import config"]),
        (".", ["benchmarks/parity.py"]),
    ],
)
def test_the_other_clones_code_is_refused_in_a_line(clones, start, folder, command):
    assert refused(start(clones[1] / folder, sys.executable, *command), clones)


def test_in_the_root_its_own_code_runs(clones, start):
    done = start(clones[1], sys.executable, "-c", WHERE)
    assert done.stdout.strip() == str(clones[1] / "lib" / "__init__.py")


def test_outside_of_any_clone_the_installed_one_is_used(clones, start, tmp_path):
    (tmp_path / "lib").mkdir()  # a project of one's own that looks alike
    (tmp_path / "lib" / "__init__.py").write_text('"""Mine."""\n')
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "scripts").mkdir()
    done = start(tmp_path / "scripts", sys.executable, "-c", WHERE)
    assert done.stdout.strip() == str(clones[0] / "lib" / "__init__.py"), done.stderr


def test_readme_is_filled_in_the_clone_whose_tool_it_is(clones, start):
    for clone in clones:
        text = (clone / "README.md").read_text()
        (clone / "README.md").write_text(text.replace("<!-- end -->", "a line of my own\n<!-- end -->"))
    done = start(clones[1], sys.executable, "tools/readme.py")
    assert done.returncode == 0, done.stderr
    own = ["a line of my own" in (clone / "README.md").read_text() for clone in clones]
    assert own == [True, False]


def test_a_tool_of_the_one_clone_called_in_the_other_is_refused(clones, start):
    installed, here = clones
    done = start(installed, sys.executable, here / "tools" / "readme.py")
    assert refused(done, (here, installed))


def test_pytest_tests_the_tree_it_stands_in(clones, start):
    tests = clones[1] / "tests"
    tests.mkdir(exist_ok=True)
    (tests / "test_where.py").write_text(
        f"from lib.settings import config\n\ndef test(): assert str(config.ROOT) == {str(clones[1])!r}\n"
    )
    for folder in (clones[1], tests):
        done = start(
            folder,
            sys.executable.replace("python", "pytest"),
            "-q",
            "-p",
            "no:cacheprovider",
            tests / "test_where.py",
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def notebook(clones) -> Path:
    """As it is opened in its folder: the kernel's working directory is notebooks/."""
    path = clones[1] / "notebooks" / "where.ipynb"
    cells = [nbformat.v4.new_code_cell(WHERE)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def test_a_notebook_opened_in_its_folder_does_not_run_the_other_clones_code(clones, start, notebook):
    done = start(notebook.parent, "papermill", notebook, "out.ipynb", "--log-output", "--no-progress-bar")
    assert done.returncode == 1
    assert f"this is {clones[1]}, but Python imports lib from {clones[0]}" in done.stderr


def test_make_hands_every_kernel_the_tree_it_stands_in(clones, start, notebook):
    run = "papermill notebooks/where.ipynb notebooks/out.ipynb --cwd notebooks --no-progress-bar"
    done = start(clones[1], "make", "--file=Makefile", f"--eval=where: ; @{run}", "where")
    assert done.returncode == 0, done.stderr
    assert str(clones[1] / "lib" / "__init__.py") in (clones[1] / "notebooks" / "out.ipynb").read_text()
