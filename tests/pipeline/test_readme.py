"""README and docs: generated parts are those that the notebooks and the results give now; commands work."""

import io
import json
import re
from contextlib import redirect_stdout

import prose
import prose_cifar
import pytest
import readme

from lib.report import frontier
from lib.settings import config
from lib.settings.config import ROOT

NAMED = [  # what holds digits and is no result
    r"<!-- \w+ -->.*?<!-- end -->",  # written by tools/readme.py
    r"`[^`]*`",
    r"\]\([^)]*\)",  # where a link leads
    r"\b(CIFAR-?|VGG|ResNet-|A|B|C)\d+(?!\S*%)",
    r"00_start_here|L1\b|2\.6\b|\b95 %|\bT = \d+",
    r"(ratio|rho) [\d.]+",  # which runs are meant
    r"(excludes|near) 0\b",  # an interval, a learning rate
    r"\bFig\. \d( to \d)?|notebooks \d+ to \d+",
    r"n = 3\b",  # seeds, as below
]
NUMBERS = r"\d|\b(three|four|five|six|seven|eight|nine|ten|third|quarter|fifth|sixth|tenth)s?\b"


@pytest.mark.parametrize("page", readme.PAGES, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page):
    text = page.read_text()
    assert readme.filled(text) == text, "run `python tools/readme.py`"


def test_the_first_notebook_says_what_the_results_say():
    text = readme.START.read_text()
    assert readme.filled_notebook(text) == text, "run `python tools/readme.py`"
    assert "<!-- in_short -->" in text and "figures/small/forest.png" in text


def test_the_readme_is_read_in_minutes():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150 and len(text.split()) <= 1200


def test_its_code_runs_and_counts_less_than_the_whole_network():
    [code] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    names = {}
    with redirect_stdout(io.StringIO()) as said:
        exec(code, names)
    left, ac = map(float, said.getvalue().split())
    assert 0 < left < sum(weight.numel() for weight in names["net"].parameters()) and ac > 0


def test_everything_that_the_docs_import_is_there():
    for page in (ROOT / "docs").glob("*.md"):
        for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            exec("\n".join(re.findall(r"^(?:from .* )?import .*", code, re.MULTILINE)), {})


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets, page


@pytest.mark.parametrize("study", ["small", "cifar"])
def test_every_figure_of_a_study_on_real_images_is_shown_with_a_caption(study):
    """An image, an empty line, a line in italics, which may be a generated one."""
    text = (ROOT / "docs" / "results.md").read_text()
    image = rf"^!\[[^\]]+\]\(\.\./figures/{study}/(\w+)\.png\)\n\n(?:<!-- \w+ -->\n)?\*\S"
    shown = set(re.findall(image, text, re.MULTILINE))
    drawn = {path.stem for path in (ROOT / "figures" / study).glob("*.png")}
    assert shown == {name for name in drawn if "-" not in name}  # with a dash: of a task that somebody chose


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


@pytest.mark.parametrize(
    ("page", "about"),
    [
        ("README.md", ("What we found",)),
        (
            "docs/results.md",
            ("Near the papers", "Channels, on real images", "Single weights and tokens"),
        ),
    ],
)
def test_no_result_is_typed_by_hand(page, about):
    parts = re.split(r"^## ", (ROOT / page).read_text(), flags=re.MULTILINE)
    chosen = [part for part in parts if part.startswith(about)]
    assert len(chosen) == len(about)
    assert [by_hand(part) for part in chosen] == [[] for _ in about]


def test_every_study_that_is_told_has_three_seeds():
    assert {len(config.load(name).grid.seeds) for name in ("quick", "small")} == {3}


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


def test_what_sca_gains_over_random_channels_is_counted_from_the_records():
    """Against the committed records of the cifar study: mean over paired seeds and ratios."""
    folder = ROOT / "results/cifar/channels/vgg7-cifar10-long"
    gaps = []
    for path in sorted((folder / "sca").glob("*.json")):
        both = [
            json.loads((folder / method / path.name).read_text())["trials"] for method in ("sca", "random")
        ]
        assert [trial["ratio"] for trial in both[0]] == [0.5, 0.7, 0.8]
        gaps += [100 * (a["accuracy"] - b["accuracy"]) for a, b in zip(*both, strict=True)]
    mean = re.escape(f"{sum(gaps) / len(gaps):+.1f}")
    said = rf"{mean} ± [\d.]+ points against random channels, undecided \(n = {len(gaps) // 3} of 5\)"
    assert re.search(said, prose_cifar.at_ninety())


def test_what_sca_leaves_is_counted_from_the_records():
    folder = ROOT / "results/cifar"
    lost = []
    sizes = []
    for path in sorted((folder / "channels/vgg7-cifar10-long/sca").glob("*.json")):
        [whole] = json.loads((folder / "dense/vgg7-cifar10-long/dense" / path.name).read_text())["trials"]
        pruned = json.loads(path.read_text())["trials"][1]
        assert pruned["ratio"] == 0.7
        lost.append(100 * (whole["accuracy"] - pruned["accuracy"]))
        sizes.append(pruned["parameters"]["total"] / whole["parameters"]["total"])
    mean, share = sum(lost) / len(lost), round(100 * sum(sizes) / len(sizes))
    said = rf"At ratio 0.7: {share} % of the parameters and \d+ % of the SynOps, {mean:.1f} ± [\d.]+ points"
    assert re.search(said, prose_cifar.leaves())
    beside = frontier.beside(prose_cifar.study(), prose_cifar.table())
    [row] = beside.query("method == 'SCA (frozen)' and ratio == 0.7").to_dict("records")
    assert row["n"] == len(lost) and row["parameters left (%)"] == str(share)
    assert row["beside dense"].startswith(f"-{mean:.1f} ± ")
