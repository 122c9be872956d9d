"""The name of a checkpoint holds the code that a training reads, and no other: one notion with DVC."""

import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from lib import data
from lib.settings import config
from lib.training import checkpoint

LIB = config.ROOT / "lib"
START = """
import sys
from dataclasses import replace
from lib import {imported}, config, data, launch, resume, results, train

settings, splits = config.load("smoke"), data.load(sys.argv[1])
worker, validation = (tuple(x[:50] for x in part) for part in (splits.train, splits.validation))
splits = replace(splits, train=worker, validation=validation)
recipe = settings.tasks["{task}"]
run = {run}
run.epoch()
run.checkpoint(config.Path(sys.argv[2]))
print(*(module.__file__ for name, module in list(sys.modules.items()) if name.startswith("lib.")), sep="\\n")
"""
POINT = "train.Run(splits, recipe, settings.trials('digits-vgg', '{}')[0], 0)"
TEACHER = "train.Run(splits, recipe, None, 0).net"
RUNS = {  # stage: what its notebook imports of its own, its cell, its run
    "dense": ("models", "digits-spikformer", "train.Run(splits, recipe, None, 0)"),
    "channels": ("models", "digits-vgg", POINT.format("sca")),
    "ablate": ("models", "digits-vgg", POINT.format("ablations")),
    "weights": ("sparse", "digits-vgg", POINT.format("pq")),
    "tokens": (
        "sparse, student",
        "digits-spikformer",
        f"student.make(splits, recipe, settings.trials('digits-spikformer', 'learned')[0], 0, {TEACHER})",
    ),
    "baselines": (
        "baseline",
        "digits-vgg",
        "baseline.Baseline(splits, recipe, settings.trials('digits-vgg', 'anew')[0], 0, "
        "{'widths': {f'conv{n}': 4 for n in range(1, 8)}})",
    ),
}
NEVER = {"plots.py", "claims.py", "findings.py", "published.py", "stats.py", "check.py", "export.py"}


def within(paths) -> set[str]:
    return {path.relative_to(LIB).as_posix() for path in paths}


@pytest.fixture(scope="session")
def prepared_digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("prepared") / "digits.npz"
    data.save(data.prepare("digits", path.parent, 0.125, 2020), path)
    return path


@pytest.mark.parametrize("stage", RUNS)
def test_a_training_reads_no_code_that_its_checkpoint_is_not_named_by(stage, prepared_digits, tmp_path):
    """As the process that trains says it, not as the source is parsed."""
    imported, task, run = RUNS[stage]
    script = START.format(imported=imported, task=task, run=run)
    command = [sys.executable, "-c", script, prepared_digits, tmp_path / "0.pt"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=config.ROOT)
    assert done.returncode == 0, done.stderr
    read = within(config.Path(line) for line in done.stdout.splitlines())
    assert "train.py" in read and "pruning/weights.py" in read
    assert read <= within(checkpoint.code(stage))


@pytest.mark.parametrize("stage", RUNS)
def test_a_checkpoint_is_named_by_the_code_that_dvc_watches(stage):
    """A test of the pipeline holds that against what the notebook imports, file by file."""
    deps = YAML(typ="safe").load((config.ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    watched = [config.ROOT / dep for dep in deps if dep.startswith("lib/")]
    files = [file for path in watched for file in ([path] if path.is_file() else path.rglob("*.py"))]
    assert within(checkpoint.code(stage)) == within(files)
    assert not within(files) & NEVER


@pytest.mark.parametrize(
    "stage, task, method",
    [("channels", "digits-vgg", "sca"), ("tokens", "digits-spikformer", "learned")],
)
def test_an_edit_changes_the_name_if_a_training_reads_it(stage, task, method, tmp_path, monkeypatch):
    settings = config.load("smoke").model_copy(update={"out": str(tmp_path)})
    data.open_or_prepare(settings, "digits")
    shutil.copytree(LIB, tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    named = checkpoint.folder(settings, stage, task, method, 0)
    changed = set()
    for path in sorted((tmp_path / "lib").rglob("*.py")):
        before = path.read_text()
        path.write_text(before + "# a comment\n")
        if checkpoint.folder(settings, stage, task, method, 0) != named:
            changed.add(path.relative_to(tmp_path / "lib").as_posix())
        path.write_text(before)
    assert changed >= {"train.py", "data.py", "models/neurons.py", "pruning/masks.py", "settings/task.py"}
    assert ("student.py" in changed) == (stage == "tokens")
    assert not changed & NEVER
