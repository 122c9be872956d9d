"""What DVC shows by itself: `dvc metrics show`, `dvc plots show`, in a clone of what is committed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pandas as pd
import pytest

from lib.settings import config

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("views") / "study"
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=config.ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(config.ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    subprocess.run(["git", "-C", root, "add", "--all"], check=True)
    return root


def dvc(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)


def trials(study: str, stage: str, task: str, method: str) -> list[list[dict]]:
    """What each seed's file says."""
    folder = config.ROOT / "results" / study / stage / task / method
    return [json.loads(path.read_text())["trials"] for path in sorted(folder.glob("*.json"))]


@pytest.mark.parametrize(
    ("study", "stage", "task", "method", "number", "at"),
    [
        ("quick", "dense", "digits-vgg", "dense", 0, "whole"),
        ("quick", "channels", "digits-vgg", "sca", 1, "ratio 0.7"),
        ("quick", "weights", "digits-vgg", "pq", 0, "density 31.6 %"),
        ("quick", "tokens", "digits-spikformer", "learned", 1, "rho 0.5"),
        ("small", "channels", "vgg9-cifar10", "sca-plus", 1, "ratio 0.7"),
    ],
)
def test_metrics_are_accuracy_parameters_and_synops(clone, study, stage, task, method, number, at):
    shown = json.loads(dvc(clone, "metrics", "show", "--json").stdout)[""]["data"]
    found = shown[f"tables/{study}/runs.json"]["data"][task][method][at]
    made = [each[number] for each in trials(study, stage, task, method)]
    assert len(made) == 3 and set(found) == {"accuracy_percent", "parameters", "synops_k"}
    assert found["accuracy_percent"] == pytest.approx(
        100 * fmean(each["accuracy"] for each in made), abs=1e-3
    )
    assert found["parameters"] == pytest.approx(fmean(each["parameters"]["total"] for each in made), abs=1e-3)
    assert found["synops_k"] == pytest.approx(fmean(each["synops"]["ac"] for each in made) / 1e3, abs=1e-3)


def test_every_training_has_its_learning_curve():
    for study, parts in {
        "quick": ("dense", "channels", "baselines", "weights", "tokens"),
        "small": ("channels",),
    }.items():
        curves = pd.read_csv(config.ROOT / "tables" / study / "runs.csv")
        for part in parts:
            for folder in (config.ROOT / "results" / study / part).glob("*/*"):
                record = json.loads((folder / "0.json").read_text())
                named = (
                    (curves["task"] == record["task"])
                    & (curves["method"] == record["method"])
                    & (curves["seed"] == 0)
                )
                logs = [100 * epoch["validation"] for trial in record["trials"] for epoch in trial["log"]]
                assert curves.loc[named, "validation (%)"].to_list() == pytest.approx(logs, abs=1e-3), (
                    folder.name
                )


def test_plots_are_shown_whole_and_leave_nothing_for_git(clone):
    done = dvc(clone, "plots", "show")
    assert done.returncode == 0 and "failed" not in done.stdout + done.stderr, done.stderr
    page = (clone / "dvc_plots" / "index.html").read_text()
    assert all(f"figures_{study}_accuracy.svg" in page for study in ("quick", "small"))
    status = ["git", "-C", clone, "status", "--porcelain", "--untracked-files=all"]
    left = subprocess.run(status, check=True, capture_output=True, text=True).stdout.splitlines()
    assert not [line for line in left if not line.startswith("A ")]


def test_the_learning_curves_are_drawn_one_a_method_and_network(clone):
    done = dvc(clone, "plots", "show", "--show-vega", "././tables/quick/runs.csv")  # as dvc.yaml names it
    drawing = json.loads(done.stdout)
    assert drawing["facet"]["row"]["field"] == "task"
    axes = drawing["spec"]["encoding"]
    assert [axes[name]["field"] for name in ("x", "y", "color", "detail")] == [
        "epoch",
        "validation (%)",
        "method",
        "at",
    ]
    assert len(drawing["data"]["values"]) == len(pd.read_csv(config.ROOT / "tables" / "quick" / "runs.csv"))
