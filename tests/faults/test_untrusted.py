"""Files from others: nothing in them is executed, and nothing is written where it does not belong."""

import hashlib
import io
import pickle
import stat
import tarfile
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision.datasets
from helpers import make_net, task_of

from lib import data, models, training
from lib.core.errors import DataError
from lib.data import datasets, download, events
from lib.data.datasets import Ask
from lib.models import sparse
from lib.settings import DENSE

FOLDER = "cifar-10-batches-py"


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


@pytest.fixture
def mark(tmp_path) -> Path:
    """It is there if something was executed, or written outside."""
    return tmp_path / "mark"


def bombs(mark: Path) -> dict[str, bytes]:
    """Files that execute something if they are unpickled: by torch, as torch wrote them long ago, and plain
    ones."""
    made = {"plain": pickle.dumps(Bomb(mark))}
    for name, settings in (("zip", {}), ("legacy", {"_use_new_zipfile_serialization": False})):
        file = io.BytesIO()
        torch.save({"spec": Bomb(mark), "state": {}, "net": Bomb(mark)}, file, **settings)
        made[name] = file.getvalue()
    return made


@pytest.mark.parametrize("kind", ["plain", "zip", "legacy"])
def test_the_bombs_work(kind, mark, tmp_path):
    (tmp_path / "x.pt").write_bytes(bombs(mark)[kind])
    with suppress(RuntimeError):  # it is no network, which is found out afterwards
        torch.load(tmp_path / "x.pt", weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize("kind", ["plain", "zip", "legacy"])
@pytest.mark.parametrize("name", ["x.pt", "x.safetensors"])
def test_a_network_that_would_execute_something_is_refused(kind, name, mark, tmp_path):
    path = tmp_path / name
    path.write_bytes(bombs(mark)[kind])
    with pytest.raises(ValueError, match="is damaged, or no file of ours") as told:
        (models if path.suffix == ".pt" else sparse).load(path)
    assert not mark.exists() and "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["plain", "zip", "legacy"])
def test_a_checkpoint_that_would_execute_something_is_set_aside(kind, mark, few_digits, tmp_path, capsys):
    path = tmp_path / "kept.pt"
    path.write_bytes(bombs(mark)[kind])
    assert not training.Run(few_digits, task_of(), DENSE, 0).resume(path)
    assert not mark.exists() and not path.exists() and (tmp_path / "kept.damaged").exists()
    assert capsys.readouterr().out.count("\n") == 1


def test_prepared_data_that_would_execute_something_are_refused(mark, tmp_path):
    arrays = {
        f"{part}_{name}": np.array([Bomb(mark)]) for part in ("train", "validation", "test") for name in "xy"
    }
    np.savez(tmp_path / "x.npz", **arrays)
    np.load(tmp_path / "x.npz", allow_pickle=True)["train_x"]
    assert mark.exists(), "the bomb works"
    mark.unlink()
    with pytest.raises(DataError, match="allow_pickle"):
        data.load(tmp_path / "x.npz")
    with pytest.raises(DataError, match="no event file"):
        np.savez(
            tmp_path / "y.npz",
            t=arrays["train_x"],
            x=arrays["train_x"],
            y=arrays["train_x"],
            p=arrays["train_x"],
        )
        events.recording(tmp_path / "y.npz", 1)
    assert not mark.exists()


# ---------------------------------------------------------------- archives

INNOCENT = f"{FOLDER}/data_batch_1"


def entries(outside: str) -> dict[str, list[tarfile.TarInfo]]:
    """Ways out of the folder that an archive is unpacked in; outside: an absolute path that must not be
    made."""

    def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
        made = tarfile.TarInfo(name)
        made.type, made.linkname, made.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
        return made

    up = "../" * 3 + Path(outside).name
    return {
        "parent": [entry(up)],
        "hidden parent": [entry(f"{FOLDER}/../../{up}")],
        "symbolic link": [
            entry(f"{FOLDER}/x", tarfile.SYMTYPE, str(Path(outside).parent)),
            entry(f"{FOLDER}/x/mark"),
        ],
        "relative link": [entry(f"{FOLDER}/x", tarfile.SYMTYPE, "../../../.."), entry(f"{FOLDER}/x/mark")],
        "hard link": [entry(f"{FOLDER}/x", tarfile.LNKTYPE, "../../../../etc/hostname")],
        "device": [entry(f"{FOLDER}/x", tarfile.CHRTYPE)],
    }


def tar(path: Path, listed: list[tarfile.TarInfo]) -> None:
    with tarfile.open(path, "w:gz") as file:
        for one in [*listed, tarfile.TarInfo(INNOCENT)]:
            file.addfile(one, io.BytesIO(b"evil"))


@pytest.mark.parametrize("attack", list(entries("/x")))
def test_a_tar_that_leads_out_of_its_folder_is_refused(attack, mark, tmp_path, monkeypatch):
    """Even one whose digest were the official one."""
    root, kind = tmp_path / "data" / "raw", torchvision.datasets.CIFAR10
    root.mkdir(parents=True)
    archive = root / kind.filename
    tar(archive, entries(str(mark))[attack])
    with pytest.raises(DataError, match="is corrupted or half-downloaded"):
        datasets.cifar("cifar10", root)
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    with pytest.raises(DataError, match="not downloaded"):
        datasets.cifar("cifar10", root)
    assert sorted(
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()
    ) == [f"data/raw/{kind.filename}"]


def test_an_absolute_path_in_a_tar_stays_inside(mark, tmp_path):
    """Unpacked without its leading slash, as tar does it."""
    entry = tarfile.TarInfo(str(mark))
    entry.size = 4
    tar(tmp_path / "x.tar.gz", [entry])
    download.unpack(tmp_path / "x.tar.gz", tmp_path / FOLDER)
    assert not mark.exists() and [path.name for path in (tmp_path / FOLDER).iterdir()] == ["data_batch_1"]


@pytest.mark.parametrize(
    "name", ["../../../mark", "tiny-imagenet-200/../../../../mark", "{mark}", "..\\..\\mark"]
)
def test_a_zip_writes_nothing_outside_its_folder(name, mark, tmp_path, monkeypatch):
    root = tmp_path / "data" / "raw"
    root.mkdir(parents=True)
    archive = root / "tiny-imagenet-200.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("tiny-imagenet-200/words.txt", "")
        file.writestr(name.format(mark=mark), "evil")
    monkeypatch.setattr("lib.data.tiny.MD5", hashlib.md5(archive.read_bytes()).hexdigest())
    with pytest.raises(DataError, match="lacks train/"):
        datasets.tiny_imagenet(root, Ask())
    assert not mark.exists()
    assert {path.name for path in root.iterdir()} == {archive.name, "tiny-imagenet-200"}
    assert [path.name for path in tmp_path.iterdir()] == ["data"] and [
        path.name for path in (root.parent).iterdir()
    ] == ["raw"]


def test_a_link_in_a_zip_is_no_link(mark, tmp_path):
    link = zipfile.ZipInfo("folder/x")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.writestr(link, str(tmp_path))
    download.unpack(tmp_path / "x.zip", tmp_path / "folder")
    assert (tmp_path / "folder" / "x").is_file() and not (tmp_path / "folder" / "x").is_symlink()


def test_a_whole_network_is_still_read(tmp_path):
    models.save(make_net(), tmp_path / "x.pt")
    assert torch.equal(models.load(tmp_path / "x.pt").head.weight, models.load(tmp_path / "x.pt").head.weight)
