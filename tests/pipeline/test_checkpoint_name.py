"""The name of a checkpoint holds the code that a training reads and what it was asked for, and nothing
else."""

import shutil

import pytest

from lib import data
from lib.settings import config
from lib.settings.given import Job
from lib.training import checkpoint


@pytest.fixture
def job(tmp_path, monkeypatch) -> Job:
    """A training of the smoke study, in a copy of lib/."""
    settings = config.load("smoke").model_copy(update={"out": str(tmp_path)})
    data.open_or_prepare(settings, "digits")
    shutil.copytree(config.ROOT / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    return Job(settings, "channels", "digits-vgg", "sca")


def test_an_edit_changes_the_name_if_a_training_may_read_it(job, tmp_path):
    named = checkpoint.path(job, 0, 0)
    changed = set()
    for path in sorted((tmp_path / "lib").rglob("*.py")):
        before = path.read_text()
        path.write_text(before + "# a comment\n")
        if checkpoint.path(job, 0, 0) != named:
            changed.add(path.relative_to(tmp_path / "lib").parts[0])
        path.write_text(before)
    assert changed == set(checkpoint.WINGS)


def test_what_a_trial_was_asked_for_changes_the_name_and_another_task_does_not(job):
    settings = job.settings
    named = checkpoint.path(job, 0, 0)
    assert (
        checkpoint.path(job, 1, 0) != named and checkpoint.path(job._replace(method="random"), 0, 0) != named
    )
    longer = {name: task.model_copy(update={"T": task.T + 1}) for name, task in settings.tasks.items()}
    for name, same in {"digits-spikformer": True, "digits-vgg": False}.items():
        tasks = settings.tasks | {name: longer[name]}
        other = job._replace(settings=settings.model_copy(update={"tasks": tasks}))
        assert (checkpoint.path(other, 0, 0) == named) == same


def test_what_a_method_is_called_does_not_change_the_name(job):
    sca = job.settings.methods["sca"]
    for values, same in (({"label": "another"}, True), ({"regrow": 0.05}, False)):
        methods = job.settings.methods | {"sca": sca.model_copy(update=values)}
        other = job._replace(settings=job.settings.model_copy(update={"methods": methods}))
        assert (checkpoint.path(other, 0, 0) == checkpoint.path(job, 0, 0)) == same
