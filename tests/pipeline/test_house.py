"""What stands around the study, checked on a copy as a fresh clone would have it: environment, what git
keeps, paths."""

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lib.settings import config


def read(path: Path) -> dict:
    return YAML(typ="safe").load(path.read_text())


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


def test_no_line_is_longer_than_110_characters(clone):
    """Of code, of values and of commands; in a notebook, of code cells."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.yaml", "*.ipynb", "Makefile", ".ci/run", "docs/extend.md"],
        cwd=clone,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert {"params.yaml", "notebooks/00_start_here.ipynb", ".ci/run", "docs/extend.md"} <= set(listed)
    long = [
        f"{name}:{number}"
        for name in listed
        for number, line in enumerate(code(clone / name).splitlines(), 1)
        if len(line) > 110
    ]
    assert not long


def test_no_file_of_code_is_longer_than_250_lines():
    """One idea a file; tests are long where a thing has many cases."""
    files = [path for room in ("lib", "tools", "benchmarks") for path in (config.ROOT / room).rglob("*.py")]
    assert len(files) > 100
    assert not [path for path in files if len(path.read_text().splitlines()) > 250]


def code(path: Path) -> str:
    """Of a notebook its code cells, one below another; of any other file all."""
    text = path.read_text()
    if path.suffix != ".ipynb":
        return text
    cells = (cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
    return "\n".join("".join(cell["source"]) for cell in cells)


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
        "build/code/quick/11_train_dense.py",
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
