"""What each task of the cifar study has cost so far and reached, as `tools/readme.py` writes it."""

from typing import Annotated, Literal

import pandas as pd
from prose_cifar import study, table
from pydantic import BaseModel, ConfigDict, Field

from lib.core.files import ROOT
from lib.report import plots, published, results
from lib.report.draw import ACCURACY
from lib.report.stats import interval, shown
from lib.settings import Task

LOG = ROOT / "results" / "benchmarks" / "cifar_hours.csv"


class Hours(BaseModel):
    """A line of LOG: what trainings took, of one core or of the card; how: by which clock, or estimated."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    task: published.Text
    method: published.Text
    seeds: published.Text
    processor: published.Text
    hours: Annotated[float, Field(gt=0)]
    of: Literal["core", "card"]
    how: published.Text


def tasks() -> str:
    """A row a task: its dense network's accuracy, the records that are there, hours and processors."""
    log = published.table(LOG, Hours)
    asked = pd.DataFrame(results.expected(study()), columns=["stage", "task", "method", "seed"])
    there = table().groupby(["stage", "task", "method", "seed"]).size().reset_index()
    if unknown := set(log["task"]) - set(asked["task"]):
        raise ValueError(f"{LOG.name}: {', '.join(unknown)}: no task of the study")
    rows = []
    for task in asked["task"].unique():
        dense = table().query("stage == 'dense' and task == @task")[ACCURACY]
        used = log[log["task"].eq(task)]
        done = there["task"].eq(task).sum()
        logged = used["seeds"].str.split("; ").explode().astype(int).sum()
        if logged != done:
            raise ValueError(f"{LOG.name}: {task}: of {done} records {logged} are logged; add the others")
        rows.append(
            {
                "task": f"`{task}`",
                "network": network(study().tasks[task]),
                "dense test accuracy (%)": f"{shown(*interval(dense)).lstrip('+')} (n = {len(dense)})"
                if len(dense)
                else "",
                "records": f"{done} of {asked['task'].eq(task).sum()}",
                "core-hours": hours(used, "core"),
                "GPU minutes": hours(used, "card", 60),
                "processors": "; ".join(used["processor"].unique()),
            }
        )
    return results.as_rows(pd.DataFrame(rows))


def network(task: Task) -> str:
    """As a figure's title has it; what has no time steps is said to have none."""
    title = plots.task_title(task)
    return title.replace(", T = 1", ", rectified units") if task.neuron == "relu" else title


def hours(used: pd.DataFrame, of: str, times: float = 1) -> str:
    total = times * used.loc[used["of"].eq(of), "hours"].sum()
    return f"{total:.1f}" if total else ""
