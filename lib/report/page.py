"""What a figure says of itself, and its files, which do not change unless the picture does."""

from pathlib import Path
from textwrap import fill

import pandas as pd
from matplotlib.figure import Figure

from lib.core.files import atomic_write
from lib.report import plots, results
from lib.settings.config import Study

PROCEDURE = "; shows the procedure, not the papers' numbers"
APART = {"paper": "", "cifar": "", "small": "; short trainings of small networks, not the papers' numbers"}
INTERVAL = "bars: 95 % interval (Student's t) of three seeds or more"


def note(fig: Figure, study: str, seeds: str, drawn: str = INTERVAL) -> None:
    """What the figure is drawn from, inside it, and how far that is from the papers.

    study: its name, and that of a task; seeds: "n = 3 seeds"
    """
    apart = APART.get(study.partition(",")[0], PROCEDURE)
    fig.supxlabel(fill(f"study {study}; {seeds}; {drawn}{apart}", 165), fontsize=6, color="0.35")


def save(fig: Figure, folder: Path, name: str) -> Path:
    """folder/name.svg and .png, moved into place when whole; the same picture gives the same bytes.

    Returns the SVG's path.
    """
    for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None})):
        with atomic_write(folder / f"{name}.{kind}") as beside:
            fig.savefig(beside, format=kind, metadata=metadata)
    return folder / f"{name}.svg"


def finish(
    fig: Figure,
    settings: Study,
    name: str,
    rows: pd.DataFrame,
    drawn: str = INTERVAL,
    says: str = "",
    which: str = "",
) -> None:
    """Says what the figure is drawn from, saves it among its study's and shows it.

    rows: of `results.table`, all that are drawn; the title and the note name their task if there is one
    says: what there is to be seen, the first line of the title unless `head` has written it
    which: the task, where a notebook lets one choose: the file's name ends in it, unless it is the headline
    """
    tasks = rows["task"].unique()
    if len(tasks) == 1 and not fig.legends:
        fig.suptitle(plots.title_of(says, settings.tasks[tasks[0]]))
    named = [settings.study, *tasks] if len(tasks) == 1 else [settings.study]
    note(fig, ", ".join(named), results.progress(settings, rows), drawn)
    save(fig, settings.figures, name if which in ("", settings.headline) else f"{name}-{which}")
    plots.show(fig)
