"""Published values: what the file holds, what is refused, and how they stand beside ours."""

import csv

import pandas as pd
import pytest

from lib.report import published
from lib.report.published import PublishedError
from lib.settings.datasets import shown

TABLE = published.read()
SIMULATED = "cifar10-dvs-sim (simulated events)"
SPOTS = [  # data, method, network, accuracy, connectivity, definition, kind: typed once more from the sources
    ("CIFAR-10", "SCA", "VGG16", 91.67, 28.39, "parameters", "secondary"),
    ("CIFAR-10", "SCA", "VGG16", 90.26, 9.31, "parameters", "secondary"),
    ("CIFAR-10", "SPEAR", "VGG16", 92.49, 33.1, "parameters", "primary"),
    ("CIFAR-10", "SPEAR", "VGG16", 91.77, 14.4, "parameters", "primary"),
    ("CIFAR-10", "SPEAR", "VGG16", 91.62, 11.9, "parameters", "primary"),
    ("CIFAR-10", "SPEAR", "ResNet18", 92.78, 30.3, "parameters", "secondary"),
    ("Tiny-ImageNet", "SPEAR", "VGG16", 59.47, 39.0, "parameters", "secondary"),
    ("CIFAR-10", "QP-SNN, 4 bit", "VGG16", 91.19, 9.61, "not stated", "secondary"),
    ("ImageNet", "TP-Spikformer", "SDT-V1-8-768", 74.79, 51, "tokens", "secondary"),
    ("CIFAR-10", "Network slimming SNN", "VGG16", 91.16, 14.3, "parameters", "secondary"),
    ("CIFAR-10", "ADMM (Deng 2021)", "7Conv2FC", 87.37, 25, "parameters", "secondary"),
    ("CIFAR-10", "STDS (Chen 2022), D=5", "6Conv2FC", 90.21, 0.746, "parameters", "primary"),
    ("CIFAR-10", "UPR (Shi 2024)", "6Conv2FC", 92.05, 1.16, "synapses", "primary"),
    ("CIFAR-10", "IMP (Kim 2022)", "ResNet19", 93.22, 4.31, "parameters", "primary"),
    ("CIFAR-10", "CH-SNN", "6Conv2FC of BrainCog", 94.60, 25.4, "not stated", "secondary"),
    ("CIFAR-10", "Two-stage PQ, neuron-wise", "ResNet19", 92.48, 40.58, "not stated", "secondary"),
    (
        "CIFAR-10",
        "SparseSpikformer rho=0.7 + LTH",
        "Spikformer-4-384",
        94.97,
        6.10,
        "parameters, all",
        "primary",
    ),
    ("CIFAR-10", "SparseSpikformer rho=0.9", "Spikformer-4-384", 95.22, 90, "tokens", "primary"),
    (
        "CIFAR-10",
        "SparseSpikformer, random tokens, rho=0.6",
        "Spikformer-4-384",
        93.02,
        60,
        "tokens",
        "primary",
    ),
    ("CIFAR-100", "Spikformer + LTH", "Spikformer-4-384", 75.29, 7.97, "parameters, all", "primary"),
    ("DVS-CIFAR10", "SparseSpikformer rho=0.5", "Spikformer-4-256", 79.1, 50, "tokens", "primary"),
    ("CIFAR-10", "TP-Spikformer", "Spikformer", 95.12, 20, "tokens", "secondary"),
    ("CIFAR-100", "PCA (Chowdhury 2021)", "VGG11", 66.40, 10.70, "parameters", "secondary"),
    ("CIFAR-100", "IMP (Kim 2022)", "VGG16", 66.02, 1.87, "parameters", "primary"),
    (
        "CIFAR-100",
        "SparseSpikformer rho=0.7 + LTH",
        "Spikformer-4-384",
        75.12,
        7.96,
        "parameters, all",
        "primary",
    ),
    ("DVS-CIFAR10", "UPR (Shi 2024), extreme", "VGGSNN", 78.3, 0.77, "synapses", "primary"),
    ("Tiny-ImageNet", "Spike-Thrift (Kundu 2021)", "VGG16", 52.70, 40, "not stated", "secondary"),
]
ROWS = {
    "CIFAR-10": 81,
    "CIFAR-100": 53,
    "DVS-CIFAR10": 24,
    "DVS128-Gesture": 5,
    "Tiny-ImageNet": 4,
    "ImageNet": 9,
    "N-MNIST": 1,
}
GOOD = {
    "data": "CIFAR-10", "method": "SCA", "granularity": "channel", "network": "VGG16", "T": "4",
    "dense_accuracy": "91.14", "accuracy": "91.67", "accuracy_loss": "0.53", "connectivity": "28.39",
    "definition": "parameters", "synops": "67.8 %",
    "kind": "secondary", "source": "S2", "note": "",
}  # fmt: skip


def write(path, *rows, header=None):
    """A file with these rows; a task is replaced where a row says so."""
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header or published.Row.model_fields)
        writer.writerows(row if isinstance(row, list) else {**GOOD, **row}.values() for row in rows)
    return path


def test_every_row_says_what_it_is_and_where_it_is_from():
    assert TABLE["data"].value_counts().to_dict() == ROWS
    for column in ("data", "method", "kind", "source", "definition"):
        assert (TABLE[column].str.strip() != "").all(), column
    assert set(TABLE["kind"]) == {"primary", "secondary", "derived"}


def test_connectivity_is_a_percentage():
    known = TABLE["connectivity"].dropna()
    assert len(known) == 148
    assert ((known > 0) & (known <= 100)).all()


def test_accuracy_is_dense_and_loss():
    rows = TABLE.dropna(subset=["dense_accuracy", "accuracy", "accuracy_loss"])
    assert len(rows) == 97
    assert ((rows["dense_accuracy"] + rows["accuracy_loss"] - rows["accuracy"]).abs() <= 0.02 + 1e-9).all()


def test_an_accuracy_that_is_not_known_is_not_made_up():
    """Where dense and loss are known the accuracy is there; a derived one has both."""
    both = TABLE["dense_accuracy"].notna() & TABLE["accuracy_loss"].notna()
    assert TABLE.loc[both, "accuracy"].notna().all()
    derived = TABLE["note"].str.contains("accuracy derived: dense + loss", regex=False)
    assert derived.sum() > 0 and both[derived].all()
    lost = TABLE[(TABLE["method"] == "SCA") & (TABLE["data"] != "CIFAR-10")]
    assert len(lost) == 4 and lost["accuracy"].isna().all()


@pytest.mark.parametrize(
    ("data", "method", "network", "accuracy", "connectivity", "definition", "kind"), SPOTS
)
def test_known_points(data, method, network, accuracy, connectivity, definition, kind):
    rows = TABLE.query(
        "data == @data and method == @method and network == @network and connectivity == @connectivity"
    )
    assert rows[["accuracy", "definition", "kind"]].to_numpy().tolist() == [[accuracy, definition, kind]]


def test_connectivity_that_we_computed_is_called_derived():
    rows = TABLE[
        TABLE["source"].str.contains("computed")
        | TABLE["note"].str.contains("connectivity derived", regex=False)
    ]
    assert len(rows) == 7 and (rows["kind"] == "derived").all()
    assert (TABLE["kind"] == "derived").sum() == 7


def test_unknown_stays_unknown(tmp_path):
    empty = dict.fromkeys(
        (
            "granularity",
            "network",
            "T",
            "dense_accuracy",
            "accuracy",
            "accuracy_loss",
            "connectivity",
            "synops",
        ),
        "",
    )
    table = published.read(write(tmp_path / "published.csv", {}, empty))
    assert table["T"].tolist() == [4, pd.NA] and table.loc[1, "network"] == ""
    assert table.loc[1, ["dense_accuracy", "accuracy", "accuracy_loss", "connectivity"]].isna().all()


@pytest.mark.parametrize(("change", "says"), [
    ({"kind": "this study"}, "line 3: kind: 'this study'"),
    ({"kind": ""}, "line 3: kind: ''"),
    ({"source": ""}, "line 3: source: ''"),
    ({"definition": "weights"}, "line 3: definition: 'weights'"),
    ({"connectivity": "0"}, "line 3: connectivity: '0'"),
    ({"connectivity": "128.39"}, "line 3: connectivity: '128.39'"),
    ({"connectivity": "~3"}, "line 3: connectivity: '~3'"),
    ({"accuracy": "nan"}, "line 3: accuracy: 'nan'"),
    ({"accuracy": "0.9167"}, "91.14 + 0.53 is not 0.9167"),
    ({"accuracy_loss": "-0.53"}, "91.14 + -0.53 is not 91.67"),
    ({"T": "4.5"}, "line 3: T: '4.5'"),
    ({}, "line 3: the same as line 2"),
])  # fmt: skip
def test_a_wrong_row_is_refused_with_its_line(tmp_path, change, says):
    with pytest.raises(PublishedError) as caught:
        published.read(write(tmp_path / "published.csv", {}, change))
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_every_wrong_row_is_named(tmp_path):
    with pytest.raises(PublishedError, match="line 2: kind.*line 4: 3 cells; give 14"):
        published.read(write(tmp_path / "published.csv", {"kind": "S"}, {}, ["a", "b", "c"]))


def test_a_file_with_other_columns_or_none_is_refused(tmp_path):
    with pytest.raises(PublishedError, match="its first line must be data,method,"):
        published.read(write(tmp_path / "published.csv", {}, header=["data"]))
    with pytest.raises(PublishedError, match="is missing"):
        published.read(tmp_path / "nothing.csv")


@pytest.mark.parametrize(("data", "heading", "rows"), [
    ("cifar10", "CIFAR-10, published", 81),
    ("cifar100", "CIFAR-100, published", 53),
    ("cifar10-dvs", "DVS-CIFAR10, published", 24),
    ("tiny-imagenet", "Tiny-ImageNet, published", 4),
    ("digits", "ANOTHER DATA SET than digits: CIFAR-10, VGG16, published", 13),
    ("cifar10-dvs-sim", f"ANOTHER DATA SET than {SIMULATED}: DVS-CIFAR10 (recorded), published", 24),
])  # fmt: skip
def test_what_stands_beside_a_data_set(data, heading, rows):
    told, beside = published.beside(TABLE, data, ["vgg-digits"])
    assert (told, len(beside)) == (heading, rows)


def test_beside_a_spikformer_stands_the_published_one():
    told, beside = published.beside(TABLE, "digits", ["vgg-digits", "spikformer-digits"])
    assert told == "ANOTHER DATA SET than digits: CIFAR-10, VGG16 and Spikformer-4-384, published"
    assert len(beside) == 27


def test_simulated_events_are_called_simulated():
    assert shown("cifar10-dvs-sim") == SIMULATED


def test_each_definition_has_its_column():
    table = published.in_columns(TABLE)
    places = table[[published.PARAMETERS, published.SYNAPSES, published.OTHER]]
    assert (places.notna().sum(axis=1) == TABLE["connectivity"].notna()).all()
    assert set(table.loc[places[published.SYNAPSES].notna(), "definition"]) == {"synapses"}
    assert set(table.loc[places[published.PARAMETERS].notna(), "definition"]) == {
        "parameters",
        "parameters, all",
    }


def test_text_keeps_every_digit_and_leaves_nothing_out():
    """A published number reads back from the text; ours have two digits and their interval."""
    us = {
        "kind": published.OURS,
        "method": "dense",
        "T": 4,
        "n": 3,
        "ratio": 0.0,
        published.ACCURACY: 97.1216,
        f"± {published.ACCURACY}": 1.598,
    }
    table = pd.concat([pd.DataFrame([us]), published.in_columns(TABLE)], ignore_index=True).reindex(
        columns=published.COLUMNS
    )
    text = published.as_text(table)
    assert text.loc[0, published.ACCURACY] == "97.12 ± 1.60" and text.loc[
        0, ["n", "T", "ratio"]
    ].tolist() == ["3", "4", "0"]
    for column in (
        published.ACCURACY,
        published.DENSE,
        published.LOSS,
        published.PARAMETERS,
        published.SYNAPSES,
    ):
        assert pd.to_numeric(text[column].iloc[1:]).tolist() == pytest.approx(
            table[column].iloc[1:].tolist(), nan_ok=True
        ), column
    assert text.loc[text["method"] == "TP-Spikformer", published.OTHER].tolist() == [
        *("20 (tokens)", "60 (tokens)", "78 (tokens)", "51 (tokens)", "53 (tokens)", "56 (tokens)")
    ]
    assert not text.isin(["nan", "<NA>", "None"]).any(axis=None)
