"""What every notebook that trains shows: its first images, its learning curves."""

import matplotlib.pyplot as plt

from lib.settings.given import Job


def first_images(splits) -> None:
    """Eight training images as the network sees them, normalised;
    of events the first frame of one polarity. splits: `lib.data.Splits`"""
    fig, axes = plt.subplots(1, 8, figsize=(9, 1.5))
    for ax, image, label in zip(axes, *splits.train, strict=False):
        ax.imshow(image.flatten(0, -3)[0], cmap="gray")
        ax.set(title=f"{label}", xticks=[], yticks=[])


def learning_curves(job: Job, runs: dict, beside: dict[tuple[int, int], list[dict]] | None = None) -> None:
    """Validation accuracy over the epochs, a panel for each trial, a colour for each seed; vertical lines:
    structure updates, at which the curve shows what the epoch reached before its cut and after it.

    runs: {(seed, number of the trial): `lib.training.Run`}; beside: logs of other trainings, dotted
    """
    count = len(job.trials)
    fig, axes = plt.subplots(
        1, count, figsize=(min(3.5 * count, 14), 2.7), sharey=True, squeeze=False, layout="constrained"
    )
    for (seed, number), run in runs.items():
        ax = axes.flat[number]
        color = f"C{job.settings.grid.seeds.index(seed) % 10}"
        ax.plot(*curve(run.log), color=color, label=f"seed {seed}")
        if beside:
            ax.plot(*curve(beside[seed, number]), ":", color=color)
        for epoch in run.pruner.updates:
            ax.axvline(epoch, color="0.6", linewidth=0.6, linestyle=":")
        ax.set(title=job.trials[number].name, xlabel="epoch", ylabel="validation accuracy (%)")
    axes.flat[0].legend(fontsize=7)
    plt.show()


def curve(log: list[dict]) -> tuple[list[int], list[float]]:
    """Epochs, and validation accuracy in percent: of an epoch with an update two values."""
    points = [
        (line["epoch"], 100 * line[when])
        for line in log
        for when in ("before_update", "validation")
        if when in line
    ]
    return [epoch for epoch, _ in points], [accuracy for _, accuracy in points]
