"""What a pruned network wins back once its structure stands still."""

import pandas as pd

from lib.report import results

SINCE = "epochs since the last change"
BEHIND = "behind (points)"


def last_change(updates: list[dict]) -> float:
    """The epoch after which channels were last switched on or off; nan where none ever was."""
    return max((update["epoch"] for update in updates if update["changed"]), default=float("nan"))


def behind(rows: pd.DataFrame, dense: pd.DataFrame) -> pd.DataFrame:
    """A row an epoch from a training's last change on. Columns: `results.WHICH`, SINCE (0: just after),
    and BEHIND: validation accuracy below that of the same seed's dense network after the same epoch.

    rows, dense: of `results.table`, one task; a seed without its dense network is left out
    """
    dated = [
        [line | {SINCE: line["epoch"] - last_change(updates)} for line in log]
        for log, updates in zip(rows["log"], rows["updates"], strict=True)
    ]
    log = results.unfold(rows.assign(log=dated), "log")
    whole = results.unfold(dense, "log").set_index(["seed", "epoch"])["validation"]
    there = whole.reindex(pd.MultiIndex.from_frame(log[["seed", "epoch"]])).to_numpy()
    log[BEHIND] = 100 * (there - log["validation"])
    return log.loc[log[SINCE].ge(0) & log[BEHIND].notna(), [*results.WHICH, SINCE, BEHIND]]


def ends(rows: pd.DataFrame) -> pd.DataFrame:
    """Points behind just after the last change, an epoch later and at the end, means over seeds; a row a
    method and ratio, nan where the training was over by then.

    rows: of `behind`
    """
    last = rows.groupby(["method", "ratio", "seed"])[SINCE].transform("max")
    when = {"just after": 0, "an epoch later": 1, "at the end": last}
    means = {
        name: rows[rows[SINCE].eq(since)].groupby(["label", "ratio"], sort=False)[BEHIND].mean()
        for name, since in when.items()
    }
    return pd.DataFrame(means)
