"""data/ and runs/ on another disk: the way that is described works. `lib.settings.config` refuses the
others."""

import subprocess

import pytest
from test_repro import repository, repro  # noqa: F401

pytestmark = pytest.mark.slow

PIPELINE = """
stages:
  first:
    cmd: mkdir -p runs/q && echo 1 > runs/q/x && touch ran
    outs: [runs/q/x]
  second:
    cmd: mkdir -p data && cat runs/q/x > data/y && touch ran
    deps: [runs/q/x]
    outs: [data/y]
"""


@pytest.fixture
def pipeline(repository):  # noqa: F811
    """A repository, and a scratch disk beside it."""
    inside = repository / "clone"
    inside.mkdir()
    for name in (".git", ".dvc"):
        (repository / name).rename(inside / name)
    (inside / "dvc.yaml").write_text(PIPELINE)
    (repository / "scratch").mkdir()
    return inside


def test_a_clone_that_is_reached_by_a_link_and_a_link_inside_it_run(pipeline, monkeypatch):
    (pipeline.parent / "link").symlink_to(pipeline)
    (pipeline / "large").mkdir()
    (pipeline / "runs").symlink_to("large")
    monkeypatch.chdir(pipeline.parent / "link")
    done = repro()
    assert done.returncode == 0, done.stderr


def test_the_cache_may_lie_on_another_disk_with_links_into_it(pipeline, monkeypatch):
    """As docs/data.md says it."""
    monkeypatch.chdir(pipeline)
    cache = pipeline.parent / "scratch" / "dvc-cache"
    for command in (["cache", "dir", "--local", str(cache)], ["config", "--local", "cache.type", "symlink"]):
        subprocess.run(["dvc", *command], check=True)
    done = repro()
    assert done.returncode == 0, done.stderr
    for kept in ("runs/q/x", "data/y"):
        assert (pipeline / kept).is_symlink() and (pipeline / kept).resolve().is_relative_to(cache)
    assert (pipeline / "data" / "y").read_text() == "1\n"
