"""README: its generated parts are those that the pipeline, the notebooks and the results give now."""

import json
import re

import prose
import pytest
import readme

from lib.settings.config import ROOT

NAMED = [  # what holds digits and is no result
    r"<!-- \w+ -->.*?<!-- end -->",  # written by tools/readme.py
    r"`[^`]*`",
    r"\]\([^)]*\)",  # where a link leads
    r"\b(CIFAR-?|VGG|ResNet-|A|B|C)\d+(?!\S*%)",
    r"00_start_here|L1\b|2\.6\b|\b95 %|\bT = \d+",
    r"(ratio|rho) [\d.]+",  # which runs are meant
    r"excludes 0\b|not clipped at 100\b|± 0\.0: all seeds",  # of intervals
]
NUMBERS = r"\d|\b(three|four|five|six|seven|eight|nine|ten|third|quarter|fifth|sixth|tenth)s?\b"


def test_generated_parts_are_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert readme.filled(text) == text, "run `python tools/readme.py`"


def test_the_first_notebook_says_what_the_results_say():
    text = readme.START.read_text()
    assert readme.filled_notebook(text) == text, "run `python tools/readme.py`"
    cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    assert len([cell for cell in cells if "## What we found" in cell and readme.found() in cell]) == 1


def test_every_figure_stage_has_its_row():
    for name in ("accuracy.png", "channels.png", "scores.png", "ablation.png", "summary.csv", "runs.csv"):
        assert name in readme.sources()


@pytest.mark.parametrize("notebook", sorted(path.stem for path in (ROOT / "notebooks").glob("[23]*.ipynb")))
def test_every_figure_notebook_asks_a_question(notebook):
    assert readme.question(notebook).endswith("?")


def by_hand(text: str) -> list[str]:
    """The numbers that stand in a text outside what is generated and what is a name."""
    for each in NAMED:
        text = re.sub(each, " ", text, flags=re.DOTALL)
    return [found[0] for found in re.finditer(NUMBERS, text)]


def test_no_result_is_typed_by_hand():
    """From what we found on real images to the sources of the figures, and of the larger studies."""
    parts = re.split(r"^## ", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    about = ("What we found on real images", "What you should see", "Real data, larger studies")
    chosen = [part for part in parts if part.startswith(about)]
    assert len(chosen) == len(about)
    assert {part.splitlines()[0]: by_hand(part) for part in chosen} == dict.fromkeys(about, [])


@pytest.mark.parametrize(
    "sentence",
    [
        "takes 0 to 25 points",
        "69 and 85 %",
        "a third of the first one is gone",
        "CIFAR-100 0.6 hours",
        "needs 45 epochs",
    ],
)
def test_a_number_typed_by_hand_is_found(sentence):
    assert by_hand(sentence)


def test_what_updates_take_is_counted_over_every_run():
    """Against the committed records: accuracy after each update of frozen SCA at ratio 0.7, three seeds."""
    after = []
    for path in sorted((ROOT / "results/small/channels/vgg9-cifar10/sca").glob("*.json")):
        [trial] = [trial for trial in json.loads(path.read_text())["trials"] if trial["ratio"] == 0.7]
        after += [line["validation"] for line in trial["log"] if "before_update" in line]
    told = " ".join(prose.updates().split())
    assert (
        f"{len(after)} updates" in told
        and f"down to {100 * min(after):.0f} to {100 * max(after):.0f} %" in told
    )
    assert (
        f"(median {100 * sorted(after)[len(after) // 2]:.0f} %" in told
        and sum(each > 0.145 for each in after) == 7
    )
