"""Figures: the same picture gives the same bytes, no half file is left, methods can be told apart, axes
have labels, and what is not trained yet is no error."""

import io
import itertools

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.collections import PathCollection

from lib.report import draw, page, plots, results
from lib.report.stats import interval
from lib.settings import config
from lib.settings.datasets import DATASETS, shown

STUDIES = ["quick", *sorted(path.parent.name for path in config.ROOT.glob("studies/*/params.yaml"))]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def table() -> pd.DataFrame:
    return pd.DataFrame(
        [{"ratio": r, "accuracy": 0.9 - r / 9 + s / 50, "seed": s} for r in (0.7, 0.5) for s in range(3)]
    )


def drawn(label: str = "SCA"):
    fig, [ax] = plots.figure(80, 60)
    draw.line(ax, table(), "ratio", "accuracy", "ratio", label, **plots.style("sca"))
    ax.set(xlabel="ratio of channels removed", ylabel="test accuracy")
    ax.legend()
    page.note(fig, "quick", "n = 3 seeds")
    return fig


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_saving_twice_gives_the_same_bytes(kind, tmp_path):
    first = page.save(drawn(), tmp_path / "a", "accuracy").with_suffix(f".{kind}")
    page.save(drawn("another"), tmp_path / "other", "accuracy")  # what was drawn before does not matter
    second = page.save(drawn(), tmp_path / "b", "accuracy").with_suffix(f".{kind}")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != (tmp_path / "other" / first.name).read_bytes()


def test_saving_leaves_two_whole_files_and_names_the_svg(tmp_path):
    path = page.save(drawn(), tmp_path, "accuracy")
    assert path == tmp_path / "accuracy.svg"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["accuracy.png", "accuracy.svg"]
    assert path.read_text().rstrip().endswith("</svg>") and path.with_suffix(".png").read_bytes().endswith(
        b"IEND\xaeB`\x82"
    )
    assert "<dc:date>" not in path.read_text()


def test_a_failing_save_leaves_the_old_files_and_nothing_else(tmp_path, monkeypatch):
    path = page.save(drawn(), tmp_path, "accuracy")
    before = path.read_bytes(), path.with_suffix(".png").read_bytes()
    fig = drawn("new")

    def full(file, **kwargs):
        file.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(fig, "savefig", full)
    with pytest.raises(OSError, match="no space left"):
        page.save(fig, tmp_path, "accuracy")
    assert (path.read_bytes(), path.with_suffix(".png").read_bytes()) == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["accuracy.png", "accuracy.svg"]


@pytest.mark.parametrize("study", STUDIES)
def test_every_method_can_be_told_from_every_other_without_colour(study):
    methods = ["dense", *config.load(study).methods]
    looks = {method: plots.style(method, methods) for method in methods}
    assert len({tuple(look.values()) for look in looks.values()}) == len(methods)
    assert len({(look["marker"], look["linestyle"]) for look in looks.values()}) == len(methods)


def test_methods_of_your_own_get_looks_of_their_own():
    quick = config.load("quick")
    for drawn in (quick.methods, quick.weights):  # no figure draws both
        methods = ["dense", *drawn, "mine", "yours", "theirs"]
        assert len({tuple(plots.style(method, methods).values()) for method in methods}) == len(methods)
    assert plots.style("mine", methods) == plots.style("mine", methods)


def test_no_line_is_yellow_and_every_colour_is_of_the_palette():
    palette = {"#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7"}
    assert {color for color, _, _ in [*plots.STYLE.values(), *plots.SPARE]} <= palette


def test_a_line_shows_mean_interval_and_every_seed():
    fig, [ax] = plots.figure(80, 60)
    draw.line(ax, table(), "ratio", "accuracy", "ratio", "SCA", **plots.style("sca"))
    x, y = ax.containers[0].lines[0].get_data()
    assert list(x) == pytest.approx([0.5, 0.7])  # in order, whatever the order of the rows
    means = draw.over_seeds(table(), "ratio", "accuracy", "ratio")
    for number, ratio in enumerate((0.5, 0.7)):
        mean, half = interval(table().set_index("ratio").loc[ratio, "accuracy"])
        assert y[number] == pytest.approx(mean)
        assert means["half"].iloc[number] == pytest.approx(half)
    marks = [len(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)]
    assert marks == [6]


def test_two_seeds_have_no_bar():
    means = draw.over_seeds(table().query("seed < 2"), "ratio", "accuracy", "ratio")
    assert means["half"].isna().all() and len(means) == 2


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 2), (5, 2, 3), (6, 2, 3)]
)
def test_panels_fill_the_page_and_none_is_empty(count, rows, columns):
    fig, axes = plots.panels(count)
    grid = axes[0].get_gridspec()
    assert len(axes) == len(fig.axes) == count and (grid.nrows, grid.ncols) == (rows, columns)


@pytest.mark.parametrize("study", STUDIES)
def test_a_title_names_the_network_and_says_simulated_where_events_are(study):
    for task in config.load(study).tasks.values():
        title = plots.task_title(task)
        assert title.lower().startswith(task.net) and f" on {shown(task.data)}, T = {task.T}" in title
        assert ("of width" in title) == (task.width != 1)
        assert ("simulated events" in title) == DATASETS[task.data].simulated


@pytest.mark.parametrize("span", [1.3, 2, 3.9, 4, 6.9, 7, 15, 49, 51, 300])
def test_sizes_have_labels_that_do_not_touch(span):
    fig, axes = plots.panels(3)
    for ax, low in zip(axes, (1.1e3, 2.2e5, 6.1e6), strict=True):
        ax.plot([low, low * span], [0, 1])
        draw.size_axis(ax)
        ax.set_ylabel("test accuracy (%)")
        assert (ax.get_xscale() == "log") == (span >= 4)
    fig.canvas.draw()
    for ax in axes:
        left, right = ax.get_xlim()
        ticks = [
            t
            for t in ax.get_xticklabels(which="both")
            if t.get_text() and left <= t.get_position()[0] <= right
        ]
        boxes = [text.get_window_extent() for text in ticks]
        assert len(boxes) >= 2 and all(a.x1 + 1 < b.x0 for a, b in itertools.pairwise(boxes)), [
            t.get_text() for t in ticks
        ]


def test_one_legend_stands_above_all_axes():
    drawn = [method for method in plots.STYLE if method not in config.load("quick").tokens]
    fig, axes = plots.panels(3)
    for ax in axes:
        for method in drawn:
            draw.line(ax, table(), "ratio", "accuracy", "ratio", method, **plots.style(method))
    plots.legend_above(fig)
    fig.canvas.draw()
    [legend] = fig.legends
    assert [text.get_text() for text in legend.get_texts()] == drawn
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= fig.bbox.x1 and all(box.y0 >= ax.get_tightbbox().y1 for ax in axes)


def test_a_quick_figure_says_what_it_is():
    fig = plt.figure()
    page.note(fig, "quick", "n = 3 seeds")
    text = fig.get_supxlabel()
    assert "n = 3" in text and "95 %" in text and "not the papers' numbers" in text


def test_methods_are_compared_at_the_largest_density_of_most():
    rows = pd.DataFrame({"method": ["a", "a", "b", "b", "c"], "target density (%)": [40, 20, 20, 10, 40]})
    assert results.common(rows) == 40
    assert results.common(rows[rows["method"] != "c"]) == 20


def test_accuracy_axes_have_one_scale_cut_just_above_100_percent():
    fig, [left, right] = plots.figure(80, 60, 1, 2)
    left.plot([0, 1], [50, 130])
    right.plot([0, 1], [-20, 60])
    draw.accuracy_axis(left, right)
    assert left.get_ylim() == right.get_ylim() == (0, draw.TOP)
    assert left.get_ylabel() == "test accuracy (%)"


def test_what_is_not_there_is_not_drawn_and_has_no_legend():
    fig, [ax] = plots.figure(80, 60)
    empty = pd.DataFrame(columns=["ratio", draw.ACCURACY])
    draw.line(ax, empty, "ratio", draw.ACCURACY, "ratio", "SCA", **plots.style("sca"))
    draw.level(ax, empty, label="dense")
    draw.star(ax, empty, "ratio")
    plots.legend(ax)
    assert not ax.has_data() and ax.get_legend() is None


def test_what_a_figure_says_is_broken_into_lines_that_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "display", lambda image: None)
    smoke = config.load("smoke").model_copy(update={"out": str(tmp_path)})
    rows = pd.DataFrame(
        {"stage": "dense", "task": "digits-vgg", "method": "dense", "variant": "", "at": "", "seed": [0]}
    )
    fig = drawn()
    page.finish(fig, smoke, "accuracy", rows, says="one word and another " * 6)
    *lines, last = fig.get_suptitle().splitlines()
    assert last == "VGG-digits on digits, T = 4" and len(lines) == 2
    assert max(map(len, lines)) <= plots.TITLE


def test_what_is_shown_is_what_is_saved(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", shown.append)
    smoke = config.load("smoke").model_copy(update={"out": str(tmp_path)})
    rows = pd.DataFrame(
        {"stage": "dense", "task": "digits-vgg", "method": "dense", "variant": "", "at": "", "seed": [0]}
    )
    fig = drawn()
    page.finish(fig, smoke, "accuracy", rows)
    assert fig.get_suptitle() == "VGG-digits on digits, T = 4"
    assert fig.get_supxlabel().startswith("study smoke, digits-vgg; n = 1 seed;")
    saved, [image] = plt.imread(smoke.figures / "accuracy.png"), shown
    assert (plt.imread(io.BytesIO(image.data)) == saved).all()
    assert saved.shape[1] > image.width == round(110 * 80 / 25.4), (
        "sharp on a screen with small pixels, and as wide as meant"
    )


def test_a_second_round_of_layers_is_told_from_the_first():
    looks = [plots.in_turn(number) for number in range(2 * len(plots.SEQUENCE))]
    assert len({tuple(look.items()) for look in looks}) == len(looks)


def test_layers_are_in_the_order_of_their_numbers():
    names = ["conv1", "conv10", "conv2", "stack.2.a", "stack.11.a"]
    assert plots.in_order(names) == ["conv1", "conv2", "conv10", "stack.2.a", "stack.11.a"]


def test_a_legend_has_as_many_columns_as_fit():
    short = ["one", "two", "three", "four", "five", "six"]
    assert plots.columns_of(short, 120) == 6 and plots.columns_of(short, 50) == 3
    assert plots.columns_of(["a label that is as long as this one"] * 6, 120) == 2
    assert plots.columns_of(["a label"], 120) == plots.columns_of(["a label"] * 3, 5) == 1
