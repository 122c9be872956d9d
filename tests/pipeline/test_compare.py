"""tools/compare.py: fresh results against the committed ones, within a tolerance that is wide of another
CPU's rounding."""

import json
import subprocess
import sys
from pathlib import Path

import compare as tool
import pytest

from lib.settings import config

TOOL = config.ROOT / "tools" / "compare.py"


def write(folder: Path, seed: int, accuracy: float, ratios=(0.5, 0.8)) -> Path:
    path = folder / "results" / "quick" / "channels" / f"digits-vgg-sca-{seed}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    trials = [{"ratio": ratio, "variant": {}, "accuracy": accuracy} for ratio in ratios]
    record = {
        "schema": 1,
        "stage": "channels",
        "task": "digits-vgg",
        "method": "sca",
        "seed": seed,
        "trials": trials,
    }
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def repository(tmp_path) -> Path:
    """One method, two ratios, two seeds at 0.9, committed."""
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    for seed in (0, 1):
        write(tmp_path, seed, 0.9)
    commit(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    git = [
        "git",
        "-C",
        folder,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--no-verify", "-m", "results"], check=True)


def compared(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, TOOL, *arguments], cwd=folder, capture_output=True, text=True)


def test_the_committed_results_agree_with_themselves(repository):
    done = compared(repository)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert (
        "+0.000  channels digits-vgg sca ratio 0.5" in done.stdout
        and "2 results of study quick agree with HEAD" in done.stdout
    )


def test_a_small_change_of_the_mean_agrees(repository):
    write(repository, 0, 0.82)  # alone it would be too far; over both seeds it is -0.04
    assert compared(repository).returncode == 0


def test_a_large_change_names_the_worst_row(repository):
    write(repository, 0, 0.7)
    done = compared(repository)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "worst: channels digits-vgg sca ratio 0.5: 0.900 is committed, 0.800 was made" in done.stderr


def test_a_better_result_is_a_change_too(repository):
    for seed in (0, 1):
        write(repository, seed, 0.99)
    assert compared(repository).returncode == 1


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        ([[0.9, 0.9, 0.9]], 0.05),
        ([[0.9]], 0.05),
        ([[0.90, 0.91, 0.92]], 0.05),
        ([[0.5, 0.7, 0.9]], 4 * 0.2 * (2 / 3) ** 0.5),
        ([[0.6, 0.8]], 4 * 0.02**0.5),
        ([[0.5, 0.7, 0.9], [0.8, 0.8, 0.8]], 4 * 0.02**0.5 * (2 / 3) ** 0.5),  # a trial that happens to agree
        ([[0.5, 0.7, 0.9], [0.8]], 4 * 0.2 * (2 / 3) ** 0.5),  # one seed says nothing of the spread
    ],
)
def test_the_tolerance_is_four_standard_errors_of_a_tasks_trials_and_never_below_5_points(trials, expected):
    old = {("channels", "digits-vgg", "sca", str(at)): seeds for at, seeds in enumerate(trials)}
    assert tool.tolerances(old)["channels", "digits-vgg", "sca", "0"] == pytest.approx(expected)


def test_one_tasks_spread_gives_no_room_to_another_nor_to_another_stage():
    old = {
        ("channels", "a", "sca"): [0.5, 0.7, 0.9],
        ("channels", "b", "sca"): [0.9, 0.9, 0.9],
        ("dense", "a", "dense"): [0.9, 0.9, 0.9],
    }
    assert tool.tolerances(old)["channels", "b", "sca"] == tool.LEAST
    assert tool.tolerances(old)["dense", "a", "dense"] == tool.LEAST


@pytest.mark.parametrize(("accuracy", "code"), [(0.95, 0), (0.15, 0), (0.05, 1)])
def test_scattered_seeds_are_given_more_room(repository, accuracy, code):
    """0.6 and 0.8 are committed: a mean of 0.7 +- 0.57."""
    for seed, was in ((0, 0.6), (1, 0.8)):
        write(repository, seed, was)
    commit(repository)
    for seed in (0, 1):
        write(repository, seed, accuracy)
    assert compared(repository).returncode == code


def test_the_room_is_that_of_the_committed_seeds_not_of_the_fresh_ones(repository):
    """A method that now fails with one seed of two is refused, however far its seeds scatter."""
    write(repository, 0, 0.1)
    assert compared(repository).returncode == 1


def test_the_worst_trial_is_the_one_furthest_beyond_its_own_tolerance():
    steady = ("channels", "digits-dvs-sim", "sca")
    scattered = ("channels", "digits-vgg", "sca")
    old = {steady: [0.9, 0.9], scattered: [0.6, 0.8]}
    new = {steady: [0.84, 0.84], scattered: [0.9, 0.9]}
    assert tool.worst(old, new) == "channels digits-dvs-sim sca: 0.900 is committed, 0.840 was made"
    assert tool.worst(old, {**new, steady: [0.86, 0.86]}) is None


def test_a_missing_run_is_named(repository):
    write(repository, 1, 0.9).unlink()
    done = compared(repository)
    assert done.returncode == 1 and "sca ratio 0.5: 2 trials are committed, 1 were made" in done.stderr


@pytest.mark.parametrize(
    ("ratios", "named"),
    [((0.5,), "sca ratio 0.8: 2 trials are committed, 1"), ((0.5, 0.8, 0.9), "sca ratio 0.9: 0 trials")],
)
def test_a_missing_or_additional_trial_is_named(repository, ratios, named):
    write(repository, 1, 0.9, ratios)
    done = compared(repository)
    assert done.returncode == 1 and named in done.stderr


def test_a_repository_without_results_gives_one_line(repository):
    for arguments in (("small",), ("quick", "nowhere")):
        done = compared(repository, *arguments)
        assert done.returncode == 1 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_clone_of_another_user_gives_one_line_with_what_to_do(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch
    monkeypatch.setenv("HOME", str(tmp_path))
    done = compared(repository)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert "dubious ownership" in done.stderr and "git config --global --add safe.directory" in done.stderr


def test_every_committed_result_is_compared():
    """Of every stage, channels and weights alike: as many accuracies for each trial as there are seeds."""
    study = config.load("quick")
    found = tool.accuracies(path.read_text() for path in sorted(study.results.glob("*/**/*.json")))
    assert {key[0] for key in found} == {"dense", "channels", "ablate", "baselines", "weights", "tokens"}
    assert {len(seeds) for seeds in found.values()} == {len(study.grid.seeds)}
    asked = {key[3] for key in found if key[0] == "weights"}
    assert asked == {f"density {density:g}" for density in study.tasks[study.grid.rewired[0]].densities}
    asked = {key[3] for key in found if key[:1] + key[2:3] == ("tokens", "tickets-all")}
    assert asked == {
        f"rho 1 density {density:g}" for density in study.tasks[study.grid.selected[0]].densities
    }
