"""Published values, from results/published.csv: one row a printed point, checked when read. Never ours.

accuracy, dense_accuracy: percent; where only the loss is printed, accuracy is dense + loss, as the note says
accuracy_loss: accuracy - dense_accuracy in points, with the sign of the papers' tables: minus is below dense
connectivity: percent of the dense network that is left
definition: of what it is left (parameters or synapses: methods 0.1)
kind: primary (read in the text, code or logs of those who measured it), secondary (quoted by others), derived
(the connectivity is computed by us)
Empty means that the value is not known.
"""

import csv
from pathlib import Path
from typing import Annotated, Literal, Self

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lib.core.errors import ConfigError, explain
from lib.core.files import ROOT
from lib.settings import Study
from lib.settings.datasets import DATASETS, shown

PATH = ROOT / "results" / "published.csv"
TOLERANCE = 0.02  # points by which rounding may part accuracy from dense + loss
RECORDED = "DVS-CIFAR10"  # stands beside simulated events

OURS = "this study"  # the kind of our own rows, which no published row may have
ACCURACY = "accuracy (%)"
DENSE = "dense accuracy (%)"
LOSS = "accuracy - dense (points)"
PARAMETERS = "parameters left (%)"
SYNAPSES = "synapses left (%)"
OTHER = "other connectivity (%)"
OPERATIONS = "operations or energy, as printed"
HEADERS = {"accuracy": ACCURACY, "dense_accuracy": DENSE, "accuracy_loss": LOSS, "synops": OPERATIONS}
COSTS = {"AC (M)": "AC (% of dense)", "MAC (M)": "MAC (% of dense)"}  # operations a sample
ROW = ["block", "method", "kind", "granularity", "data", "network", "T", "n", "ratio", "rho"]
COLUMNS = [
    *ROW, ACCURACY, f"± {ACCURACY}", DENSE, LOSS, f"± {LOSS}", PARAMETERS, SYNAPSES, OTHER, "definition",
    *(column for pair in COSTS.items() for column in pair), OPERATIONS, "source", "note",
]  # fmt: skip


class PublishedError(ConfigError):
    """A file of published values does not hold what it should; the message names the line and the value."""


def _known(kind: type, **limits) -> object:
    """A number within limits, or None where the file has nothing."""
    return Annotated[Annotated[kind, Field(**limits)] | None, BeforeValidator(lambda text: text or None)]


Text = Annotated[str, Field(min_length=1)]
Percent = _known(float, gt=0, le=100)


class Row(BaseModel):
    """One line of the file; its fields are the columns, in order."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    data: Text
    method: Text
    granularity: str
    network: str
    T: _known(int, ge=1)
    dense_accuracy: Percent
    accuracy: Percent
    accuracy_loss: _known(float, gt=-100, lt=100)
    connectivity: Percent
    definition: Literal["parameters", "synapses", "parameters, all", "tokens", "not stated"]
    synops: str
    kind: Literal["primary", "secondary", "derived"]
    source: Text
    note: str

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if None in (self.dense_accuracy, self.accuracy, self.accuracy_loss):
            return self
        if abs(self.dense_accuracy + self.accuracy_loss - self.accuracy) > TOLERANCE + 1e-9:
            raise ValueError(
                f"{self.dense_accuracy} + {self.accuracy_loss} is not {self.accuracy}; copy the three again"
            )
        return self


def read(path: Path = PATH) -> pd.DataFrame:
    """One row a printed point, in the order of the file; unknown numbers are missing, unknown text is empty.

    raises: PublishedError, one line with every wrong value
    """
    return table(path, Row).astype({"T": "Int64"})


def table(path: Path, kind: type[BaseModel]) -> pd.DataFrame:
    """The lines of a csv file, each checked as a `kind`, whose fields are the columns.

    raises: PublishedError, one line with every wrong value
    """
    try:
        lines = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    except FileNotFoundError:
        raise PublishedError(
            f"{path.name} is missing; `git checkout {path.parent.name}/{path.name}` brings it back"
        ) from None
    columns = list(kind.model_fields)
    if not lines or lines[0] != columns:
        raise PublishedError(f"{path.name}: its first line must be {','.join(columns)}")
    rows = {}
    wrong = []
    for number, cells in enumerate(lines[1:], 2):
        if len(cells) != len(columns):
            wrong.append(
                f"line {number}: {len(cells)} cells; give {len(columns)}, with quotes around a comma"
            )
            continue
        try:
            row = kind.model_validate(dict(zip(columns, cells, strict=True)))
        except ValidationError as error:
            wrong.append(f"line {number}: {explain(error)}")
            continue
        same = rows.setdefault(row, number)
        if same != number:
            wrong.append(f"line {number}: the same as line {same}; remove one")
    if wrong:
        raise PublishedError(f"{path.name}: {'; '.join(wrong)}")
    return pd.DataFrame([row.model_dump() for row in rows], columns=columns)


def granularity(study: Study, stage: str, method: str) -> str:
    """What a method of ours removes, in the words of the published rows."""
    if stage != "tokens":
        return {"dense": "", "channels": "channel", "weights": "weight"}[stage]
    chosen = study.tokens[method]
    if chosen.kind == "select":
        return "token"
    return "weight+token" if chosen.rho else "weight"


def beside(table: pd.DataFrame, data: str, networks: list[str]) -> tuple[str, pd.DataFrame]:
    """Heading and published rows to show below our results on `data`; networks: ours on it.

    All rows of the same data set. Where there are none, rows of another one, and the heading says so:
    recorded events for simulated ones, else VGG16 on CIFAR-10, and Spikformer-4-384 where one of
    ours is a Spikformer.
    """
    same = table[table["data"] == shown(data)]
    if len(same):
        return f"{shown(data)}, published", same
    another = f"ANOTHER DATA SET than {shown(data)}"
    if DATASETS[data].simulated:
        return f"{another}: {RECORDED} (recorded), published", table[table["data"] == RECORDED]
    names = ["VGG16"] + ["Spikformer-4-384"] * any(network.startswith("spikformer") for network in networks)
    other = table[(table["data"] == "CIFAR-10") & table["network"].isin(names)]
    return f"{another}: CIFAR-10, {' and '.join(names)}, published", other


def by_channel(data: str) -> pd.DataFrame:
    """Published points of VGG16 pruned by channels on `data`, where accuracy and parameters are printed."""
    rows = read()
    channels = (
        rows["granularity"].str.startswith("channel")
        & rows["network"].eq("VGG16")
        & rows["definition"].eq("parameters")
    )
    return rows[channels & rows["data"].eq(shown(data))].dropna(subset=["accuracy", "connectivity"])


def in_columns(table: pd.DataFrame) -> pd.DataFrame:
    """The published rows under the headers of the comparison.

    Connectivity is in a column for each definition: values of different definitions must not be compared.
    """
    parameters = table["definition"].str.startswith("parameters")
    synapses = table["definition"] == "synapses"
    places = {PARAMETERS: parameters, SYNAPSES: synapses, OTHER: ~(parameters | synapses)}
    return table.rename(columns=HEADERS).assign(
        **{column: table["connectivity"].where(rows) for column, rows in places.items()}
    )


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The comparison (COLUMNS) as text: ours with two digits and ± the interval, published ones in full."""
    ours = table["kind"] == OURS
    text = table[ROW].drop(columns="data").astype({"T": "str"})
    text[["n", "ratio"]] = table[["n", "ratio"]].map("{:g}".format, na_action="ignore")
    for column in (ACCURACY, DENSE, LOSS, PARAMETERS, SYNAPSES, OTHER):
        sign = "+" if column == LOSS else ""
        text[column] = _format(table[column], f"{{:{sign}.2f}}").where(
            ours, _format(table[column], f"{{:{sign}g}}")
        )
    for column in (ACCURACY, LOSS):
        text[column] += _format(table[f"± {column}"], " ± {:.2f}").fillna("")
    text[OTHER] += " (" + table["definition"] + ")"
    for column, share in COSTS.items():
        text[column] = _format(table[column], "{:.3g}") + _format(table[share], " ({:.1f} %)")
    text = text.rename(columns={column: column.replace(")", "; of dense)") for column in COSTS})
    return text.join(table[[OPERATIONS, "source", "note"]]).astype("str").fillna("")


def _format(numbers: pd.Series, how: str) -> pd.Series:
    """Numbers as text, missing ones still missing."""
    return numbers.astype(float).map(how.format, na_action="ignore").astype("str")
