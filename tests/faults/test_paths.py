"""Where the paths that a user gives may lead: homes and variables in them, and links out of the
repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lib import data
from lib.core.errors import ConfigError
from lib.settings import config
from tools.export import __main__ as export


def changed(path: Path, **values) -> Path:
    """The quick study's params.yaml with other values, `data_root` among them."""
    settings = YAML(typ="safe").load((config.ROOT / "params.yaml").read_text())
    if "data_root" in values:
        settings["data"]["root"] = values.pop("data_root")
    settings |= values
    with open(path, "w") as file:
        YAML(typ="safe").dump(settings, file)
    return path


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    for name in ("HOME", "SCRATCH"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.delenv("SNN_DATA", raising=False)
    monkeypatch.delenv("NOWHERE", raising=False)
    return tmp_path


@pytest.mark.parametrize("given", ["~/sets", "$SCRATCH/sets", "${SCRATCH}/sets", "/plain/sets"])
def test_homes_and_variables_in_paths_of_raw_data_are_replaced(given, home, monkeypatch):
    expected = {"~": home / "home/sets", "$": home / "scratch/sets", "/": Path("/plain/sets")}[given[0]]
    study = config.read(changed(home / "params.yaml", data_root=given))
    assert data.root_folder(config.ROOT / study.data.root) == expected
    monkeypatch.setenv("SNN_DATA", given)
    assert data.root_folder(Path("other")) == expected


def test_a_variable_that_is_not_set_makes_no_folder_of_its_name(home, monkeypatch):
    with pytest.raises(ConfigError, match=r"data.root: \$NOWHERE/sets: no such user or variable"):
        config.read(changed(home / "params.yaml", data_root="$NOWHERE/sets"))
    monkeypatch.setenv("SNN_DATA", "$NOWHERE/sets")
    with pytest.raises(ConfigError, match=r"SNN_DATA: \$NOWHERE/sets: no such user or variable"):
        data.root_folder(Path("other"))


@pytest.mark.parametrize("key", ["out", "root", "params"])
@pytest.mark.parametrize("value", ["~/x", "$SCRATCH/x", "/scratch/x"])
def test_paths_that_dvc_reads_itself_must_be_plain(key, value, home):
    with pytest.raises(
        ConfigError, match=f"{key}: '.*{value[2:]}': DVC takes it as it is written; give a relative path"
    ):
        config.read(changed(home / "params.yaml", **{key: value}))


@pytest.mark.slow
def test_no_folder_named_after_the_home_appears(home):
    """In the folder where the command runs, with the sets in the real home."""
    (home / "home" / "sets").mkdir(parents=True)
    here = {
        **os.environ,
        "SNN_DATA": "~/sets",
        "PYTHONPATH": str(config.ROOT),
        "http_proxy": "http://127.0.0.1:9",
    }
    here["https_proxy"] = here["http_proxy"]
    code = (
        "from lib import data\n"
        "from lib.settings import config\n"
        "data.prepare_for(config.load('quick'), 'cifar10')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=home, env=here, capture_output=True, text=True)
    assert f"not found under {home / 'home/sets'}" in done.stderr
    assert not {path.name for place in (home, config.ROOT) for path in place.iterdir()} & {"~", "$SCRATCH"}


# ---------------------------------------------------------------- links out of the repository


@pytest.mark.parametrize("part", ["data", "runs", "runs/quick"])
def test_a_stage_stops_at_a_link_out_of_the_repository_before_it_works(part, tmp_path, monkeypatch):
    repository, scratch = tmp_path / "repository", tmp_path / "scratch"
    scratch.mkdir()
    (repository / part).parent.mkdir(parents=True)
    (repository / part).symlink_to(scratch)
    path = changed(tmp_path / "params.yaml")
    for module in ("config", "study"):
        monkeypatch.setattr(f"lib.settings.{module}.ROOT", repository)
    assert config.read(path).study == "quick"  # whoever only looks may have links
    monkeypatch.setenv("DVC_STAGE", "dense@digits-vgg")
    with pytest.raises(
        ConfigError, match=f"{part.split('/')[0]}/quick leads to {scratch}\\S*, and DVC follows no link"
    ):
        config.read(path)
    (repository / part).unlink()
    shutil.copytree(scratch, repository / part)
    assert config.read(path).study == "quick"


def test_an_export_takes_the_home_for_what_it_is(home, monkeypatch):
    """`--to=~/x`, which no shell expands."""
    seen = []
    monkeypatch.setattr(sys, "argv", ["export", "any.pt", "--to=~/x"])
    monkeypatch.setattr(export, "locate", lambda network: None)
    monkeypatch.setattr(export.training, "set_up", lambda threads: None)
    monkeypatch.setattr(export, "export", lambda network, folder: seen.append(folder) or {"files": {}})
    monkeypatch.setattr(export, "line", lambda kind, about: kind)
    export.main()
    assert seen == [home / "home" / "x"]
