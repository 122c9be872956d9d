"""Pictures of how things are built, for the notebooks that teach: what a site does, what leaves with a
channel, where tokens go. Drawn in millimetres; nothing in them is measured."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from lib.report.plots import BLACK, BLUE, GREY, ORANGE, SKY, VERMILION, canvas

PALE = "0.95"
Point = tuple[float, float]


def sheet(width_mm: float, height_mm: float) -> tuple[Figure, Axes]:
    """A figure and axes that fill it, in millimetres from its lower left corner."""
    fig = canvas(width_mm, height_mm)
    fig.set_layout_engine("none")
    ax = fig.add_axes((0, 0, 1, 1), xlim=(0, width_mm), ylim=(0, height_mm))
    ax.axis("off")
    return fig, ax


def say(ax: Axes, at: Point, text: str, **look) -> None:
    """Text around a point."""
    ax.text(*at, text, **{"ha": "center", "va": "center", "fontsize": 9, **look})


def box(ax: Axes, at: Point, size: Point, text: str = "", **look) -> None:
    """A box with rounded corners around a point, its text inside."""
    corner = (at[0] - size[0] / 2, at[1] - size[1] / 2)
    style = {"facecolor": PALE, "edgecolor": GREY, "linewidth": 0.8, **look}
    ax.add_patch(FancyBboxPatch(corner, *size, boxstyle="round,pad=0,rounding_size=1.5", **style))
    say(ax, at, text)


def arrow(ax: Axes, start: Point, end: Point, **look) -> None:
    """An arrow from point to point."""
    style = {"color": BLACK, "linewidth": 1.3, "arrowstyle": "-|>", "mutation_scale": 9, **look}
    ax.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, zorder=3, **style))


def stop(ax: Axes, at: Point, color: str) -> None:
    """A cross: nothing goes on from here."""
    ax.plot(*at, "x", color=color, markersize=7, markeredgewidth=2, zorder=4)


# ---- a site

PARTS = {"convolution": 38, "BN": 67, "neuron": 96, "gate": 125, "pooling": 154}  # where they stand
HALF = 10  # of a part's width
LANES = {  # how a channel is treated: height, from where nothing goes on, to where the gradient comes back
    "kept": (62, None, "convolution"),
    "masked": (41, "gate", "gate"),
    "probed": (20, "gate", "BN"),
}


def site() -> Figure:
    """A convolution and the site behind it, left to right; a line for each way to treat a channel.

    Solid: what it sends. Dashed: the gradient that comes back. A cross: it ends there. A kept channel sends
    and learns, a masked one does neither. A probed one is masked as well and sends nothing, but the gradient
    passes its gate and its neuron and reaches the scale gamma of its BN, and no further.
    """
    fig, ax = sheet(180, 98)
    bn, gate = PARTS["BN"], PARTS["gate"]
    ax.plot([bn - HALF, bn - HALF, 164, 164], [84, 86, 86, 84], color=BLACK, linewidth=0.8)
    say(ax, ((bn - HALF + 164) / 2, 91), "a site")
    for name, x in PARTS.items():
        box(ax, (x, 41), (2 * HALF, 66))
        say(ax, (x, 79), name, fontweight="bold")
    for name, (y, last, first) in LANES.items():
        say(ax, (3, y + 3), name, ha="left", fontweight="bold")
        say(ax, (3, y - 3), f"$m = {int(last is None)}$", ha="left")
        forward(ax, y + 4.5, last)
        backward(ax, y - 4.5, first)
        if last:
            say(ax, (gate + 14.5, y + 4.5), "0")
    for x, text in zip(PARTS.values(), ("$Z$", "$X$", "$S$", r"$m\,S$"), strict=False):
        say(ax, (x + 14.5, 70.5), text)
    for y, text in ((62, r"$\times\,1$"), (41, r"$\times\,0$"), (20, r"$S - \overline{S}$")):
        say(ax, (gate, y), text)
    say(ax, (bn, 20), r"$\gamma$ hears")
    arrow(ax, (28, 3.5), (38, 3.5), color=BLUE)
    say(ax, (40, 3.5), "sent", ha="left")
    arrow(ax, (66, 3.5), (56, 3.5), color=VERMILION, linestyle="--")
    say(ax, (68, 3.5), "gradient", ha="left")
    stop(ax, (91, 3.5), BLACK)
    say(ax, (94, 3.5), "ends here", ha="left")
    say(ax, (118, 3.5), r"$\overline{S}$: $S$, as a constant", ha="left")
    return fig


def forward(ax: Axes, y: float, last: str | None) -> None:
    """What a channel sends, through every part, or until the part where nothing goes on."""
    for name, x in PARTS.items():
        if name == last:
            stop(ax, (x - HALF + 3, y), BLUE)
            return
        arrow(ax, (x - HALF, y), (x + HALF + 9, y), color=BLUE)


def backward(ax: Axes, y: float, first: str) -> None:
    """The gradient, from the right back to the part where it ends."""
    for name, x in reversed(PARTS.items()):
        end = name == first and first != "convolution"
        arrow(
            ax, (x + HALF + 6, y), (x + HALF - 3 if end else x - HALF - 3, y), color=VERMILION, linestyle="--"
        )
        if end:
            stop(ax, (x + HALF - 5, y), VERMILION)
            return


# ---- removal

CELL = 7  # a channel's place in a matrix


def removal(channel: int = 2, reads: int = 4, makes: int = 5, after: int = 6) -> Figure:
    """What leaves with one channel, hatched: its filter, a row of the convolution's weight; its entries of
    BN, and its place in the mask; and what reads it, a column of the next convolution's weight. Solid lines
    join what belongs to that channel. Below: the shapes before and after."""
    fig, ax = sheet(180, 88)
    top = 70
    y = top - CELL * (channel + 0.5)
    rows = {(channel, column) for column in range(reads)}
    right = matrix(ax, (22, top), (makes, reads), rows)
    ends = [right]
    for number, name in enumerate((r"$\gamma$", r"$\beta$", r"$\mu$", r"$\sigma^2$")):
        ends.append(matrix(ax, (70 + 9 * number, top), (makes, 1), {(channel, 0)}))
        say(ax, (73.5 + 9 * number, top + 4), name)
    say(ax, (116.5, top + 4), "$m$")
    ends.append(matrix(ax, (113, top), (makes, 1), {(channel, 0)}))
    left = 134
    columns = {(row, channel) for row in range(after)}
    matrix(ax, (left, top), (after, makes), columns)
    join(ax, [(right, y), (70, y)])
    join(ax, [(ends[-2], y), (113, y)])
    x = left + CELL * (channel + 0.5)
    join(ax, [(120, y), (127, y), (127, top + 7), (x, top + 7), (x, top)])
    shapes(ax, 22 + CELL * reads / 2, "convolution $l$", (makes, reads), (makes - 1, reads))
    shapes(ax, 87, "BN", (makes,), (makes - 1,))
    shapes(ax, 116.5, "mask", (makes,), (makes - 1,))
    shapes(ax, left + CELL * makes / 2, "convolution $l+1$", (after, makes), (after, makes - 1))
    say(ax, (18, top - CELL * makes / 2), "filters", rotation=90)
    say(ax, (22 + CELL * reads / 2, top + 4), "inputs")
    say(ax, (left + CELL * (channel + 2), top + 4), "inputs")
    say(ax, (60, y + 3.5), "channel $k$")
    say(ax, (173, top - CELL * after / 2), "filters", rotation=90)
    return fig


def matrix(ax: Axes, at: Point, shape: tuple[int, int], goes: set[tuple[int, int]]) -> float:
    """Cells from an upper left corner on; those that go are hatched. Returns where it ends on the right."""
    for row in range(shape[0]):
        for column in range(shape[1]):
            gone = (row, column) in goes
            look = {"facecolor": ORANGE if gone else SKY, "hatch": "////" if gone else None, "alpha": 0.9}
            corner = (at[0] + CELL * column, at[1] - CELL * (row + 1))
            ax.add_patch(Rectangle(corner, CELL, CELL, edgecolor="white", linewidth=1.2, **look))
    return at[0] + CELL * shape[1]


def join(ax: Axes, points: list[Point]) -> None:
    """A line through points: the same channel at both ends."""
    ax.plot(*zip(*points, strict=True), color=BLACK, linewidth=1.3)


def shapes(ax: Axes, x: float, name: str, before: tuple[int, ...], after: tuple[int, ...]) -> None:
    """A tensor's name, and its shape before and after."""
    say(ax, (x, 20), name, fontweight="bold")
    say(ax, (x, 14), str([*before, *[3, 3][: 2 * len(before) - 2]]))
    arrow(ax, (x, 11.5), (x, 8.5), mutation_scale=7)
    say(ax, (x, 6), str([*after, *[3, 3][: 2 * len(after) - 2]]))


# ---- stages

SIDE = 8  # of the map of tokens
ORDER = sorted(range(SIDE * SIDE), key=lambda n: (n % SIDE - 3.4) ** 2 + (n // SIDE - 3.6) ** 2 + n * 37 % 11)


def stages(counts: tuple[int, ...] = (64, 44, 31, 21), rho: float = 0.7) -> Figure:
    """Tokens of an image, from stage to stage fewer. Above: the places that go on into each block, a share
    rho, rho^2, rho^3 of the 64; a token that is dropped does not come back. Below: how a selector decides,
    from the firing rates of a token; in training it draws, afterwards the most likely ones go on."""
    fig, ax = sheet(180, 96)
    for number, count in enumerate(counts):
        x = 19 + 40 * number
        tokens(ax, (x, 72), set(ORDER[:count]))
        power = "" if number == 1 else f"^{number}"
        say(ax, (x, 90), f"{count} tokens", fontweight="bold")
        say(ax, (x, 55.5), f"$64 \\cdot {rho:g}{power}$" if number else "all")
        box(ax, (x, 43), (20, 9), f"block {number + 1}")
        arrow(ax, (x, 52.5), (x, 48))
        if number:
            box(ax, (x - 20, 43), (9, 9), "S", facecolor="white", edgecolor=BLACK)
            arrow(ax, (x - 30, 43), (x - 25, 43))
            arrow(ax, (x - 15, 43), (x - 10.5, 43))
    arrow(ax, (149, 43), (157, 43))
    box(ax, (167, 43), (18, 12), "mean,\nhead")
    box(ax, (90, 17), (174, 28), facecolor="white")
    say(ax, (6, 27), "S: selector", ha="left", fontweight="bold")
    steps = (
        ("rates of a token\n(mean over $T$)", 24),
        ("Linear, GELU,\nLinear", 66),
        ("log-softmax:\nkeep or drop", 106),
    )
    for text, x in steps:
        box(ax, (x, 16), (32, 12), text)
        arrow(ax, (x + 16, 16), (x + (25 if x == 24 else 23), 16))
    say(ax, (130, 21), "training: a draw (Gumbel),\nmasked", ha="left")
    say(ax, (130, 10), "afterwards: the highest,\nthe others gone", ha="left")
    return fig


def tokens(ax: Axes, at: Point, kept: set[int], cell: float = 3.2) -> None:
    """A map of tokens around a point: filled if they go on."""
    for place in range(SIDE * SIDE):
        x = at[0] + cell * (place % SIDE - SIDE / 2)
        y = at[1] + cell * (SIDE / 2 - 1 - place // SIDE)
        color = BLUE if place in kept else "white"
        ax.add_patch(Rectangle((x, y), cell, cell, facecolor=color, edgecolor="0.7", linewidth=0.5))
