"""What every notebook that trains shows: its first images, its learning curves, what stands in each layer."""

from matplotlib.axes import Axes

from lib.report import draw, plots
from lib.settings.given import Job


def first_images(splits) -> None:
    """Eight training images as the network sees them, normalised;
    of events the first frame of one polarity. splits: `lib.data.Splits`"""
    fig, axes = plots.figure(180, 28, 1, 8)
    for ax, image, label in zip(axes, *splits.train, strict=False):
        ax.imshow(image.flatten(0, -3)[0], cmap="gray")
        ax.set(title=f"class {label}", xticks=[], yticks=[])
    plots.show(fig)


def learning_curves(job: Job, runs: dict, beside: dict[tuple[int, int], list[dict]] | None = None) -> None:
    """Validation accuracy over the epochs, a panel for each trial, a colour for each seed; vertical lines:
    structure updates, at which the curve shows what the epoch reached before its cut and after it.

    runs: {(seed, number of the trial): `lib.training.Run`}; beside: logs of other trainings, dotted
    """
    fig, axes = plots.panels(len(job.trials))
    for (seed, number), run in runs.items():
        ax = axes[number]
        look = plots.in_turn(job.seeds.index(seed) + 1) | {"linestyle": "-"}
        ax.plot(*curve(run.log), **look, label=f"seed {seed}")
        if beside:
            ax.plot(*curve(beside[seed, number]), ":", color=look["color"])
        for epoch in run.pruner.updates:
            ax.axvline(epoch, color="0.6", linewidth=0.6, linestyle=":")
        ax.set(title=job.trials[number].name, xlabel="epoch", ylabel="validation accuracy (%)")
    for ax in axes:
        draw.whole_numbers(ax)
    for ax in axes[1:]:
        ax.sharey(axes[0])
    plots.legend_above(fig)
    plots.show(fig)


def curve(log: list[dict]) -> tuple[list[int], list[float]]:
    """Epochs, and validation accuracy in percent: of an epoch with an update two values."""
    points = [
        (line["epoch"], 100 * line[when])
        for line in log
        for when in ("before_update", "validation")
        if when in line
    ]
    return [epoch for epoch, _ in points], [accuracy for _, accuracy in points]


def layers(ax: Axes, shown: dict[str, dict[str, float]], ylabel: str) -> None:
    """A group of bars for each layer, from the first to the last, a bar in it for each of `shown`.

    shown: {label: {layer: value}}, all of the same layers, which give the order
    """
    for number, (label, values) in enumerate(shown.items()):
        draw.bars(ax, range(len(values)), list(values.values()), number, len(shown), label, first=0)
    names = list(next(iter(shown.values())))
    ax.set_xticks(range(len(names)), names, rotation=90 if len(names) > 8 else 45, size=6)
    ax.set(xlabel="layer", ylabel=ylabel)
