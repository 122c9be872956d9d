"""What a pruned network wins back once its structure stands still."""

import pandas as pd

from lib.report import results

SINCE = "epochs since the last change"
BEHIND = "behind (points)"
ONE = ["label", "ratio", "seed"]  # a training


def changing(rows: pd.DataFrame) -> list[list[dict]]:
    """Of each training the updates that switch channels on or off. In soft mode all of them: each sets the
    channels that are off to zero anew.

    rows: of `results.table`
    """
    return [
        [update for update in updates or [] if settings["mode"] == "soft" or update["changed"]]
        for updates, settings in zip(rows["updates"], rows["settings"], strict=True)
    ]


def last_change(updates: list[dict]) -> float:
    """The epoch of the last of some updates; nan where there is none."""
    return max((update["epoch"] for update in updates), default=float("nan"))


def behind(rows: pd.DataFrame, dense: pd.DataFrame) -> pd.DataFrame:
    """A row an epoch from a training's last change on, up to the last one that all seeds of its method and
    ratio reach. Columns: `results.WHICH`, SINCE (0: just after the change), and BEHIND: validation accuracy
    below that of the same seed's dense network after the same epoch.

    rows, dense: of `results.table`, one task; a seed without its dense network is left out
    """
    columns = [*results.WHICH, SINCE, BEHIND]
    if rows.empty or dense.empty:
        return pd.DataFrame(columns=columns)
    last = map(last_change, changing(rows))
    dated = [
        [line | {SINCE: line["epoch"] - epoch} for line in log]
        for log, epoch in zip(rows["log"], last, strict=True)
    ]
    log = results.unfold(rows.assign(log=dated), "log")
    whole = results.unfold(dense, "log").set_index(["seed", "epoch"])["validation"]
    there = whole.reindex(pd.MultiIndex.from_frame(log[["seed", "epoch"]])).to_numpy()
    log[BEHIND] = 100 * (there - log["validation"])
    found = log.loc[log[SINCE].ge(0) & log[BEHIND].notna(), columns]
    seeds = found.groupby(["method", "ratio"])["seed"].transform("nunique")
    return found[found.groupby(["method", "ratio", SINCE])["seed"].transform("nunique").eq(seeds)]


def ends(rows: pd.DataFrame) -> pd.DataFrame:
    """Points behind just after the last change, an epoch later and at the end, means over seeds; a row a
    method and ratio, nan where the training was over by then.

    rows: of `behind`
    """
    means = {name: each.groupby(ONE[:2], sort=False)[BEHIND].mean() for name, each in chosen(rows).items()}
    return pd.DataFrame(means)


def won_back(rows: pd.DataFrame) -> pd.DataFrame:
    """Points between the first epoch after the last change and the end, a row a training.
    Columns: label, ratio, seed, "points".

    rows: of `behind`
    """
    at = {name: each.set_index(ONE)[BEHIND] for name, each in chosen(rows).items()}
    return (at["an epoch later"] - at["at the end"]).rename("points").dropna().reset_index()


def chosen(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of three moments."""
    last = rows.groupby(["method", "ratio"])[SINCE].transform("max")
    when = {"just after": 0, "an epoch later": 1, "at the end": last}
    return {name: rows[rows[SINCE].eq(since)] for name, since in when.items()}
