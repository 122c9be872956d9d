"""Raw data: the official bytes where they are at hand, and one line for each way in which files can be
wrong."""

import hashlib
import os
import shutil
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torchvision.datasets.cifar
import torchvision.datasets.utils
from PIL import Image
from spikingjelly.datasets.cifar10_dvs import CIFAR10DVS, CIFAR10DVS_CLASS_NAMES
from test_events import random_stream, write_aedat

from lib import data
from lib.core.errors import DataError
from lib.data import datasets, download, events
from lib.data import tiny as tiny_imagenet
from lib.data.datasets import Ask
from lib.settings import DATASETS

PARTS = ("train", "validation", "test")


def official(folder: str) -> Path:
    """The folder of raw data that SNN_DATA names; where it names one, the data must be in it."""
    root = os.environ.get("SNN_DATA")
    if not root:
        pytest.skip(f"SNN_DATA is not set: there is no {folder} to read")
    assert (Path(root) / folder).is_dir(), f"SNN_DATA is {root}, but there is no {folder} in it"
    return Path(root)


@pytest.fixture
def offline(monkeypatch):
    """No test downloads anything."""

    def fail(*args, **kwargs):
        raise URLError("no network")

    for name in ("_urlretrieve", "_get_redirect_url"):
        monkeypatch.setattr(torchvision.datasets.utils, name, fail)
    monkeypatch.setattr(download, "urlopen", fail)


def line(call, *args) -> str:
    """What the user is told, which is one line."""
    with pytest.raises(DataError) as error:
        call(*args)
    assert "\n" not in str(error.value)
    return str(error.value)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# ---------------------------------------------------------------- real bytes


@pytest.mark.parametrize(
    ("name", "folder", "classes", "mean", "std", "first"),
    [
        (
            "cifar10",
            "cifar-10-batches-py",
            10,
            (0.4914, 0.4822, 0.4465),
            (0.247, 0.243, 0.261),
            [3, 8, 8, 0, 6],
        ),
        (
            "cifar100",
            "cifar-100-python",
            100,
            (0.5071, 0.4865, 0.4409),
            (0.2673, 0.2564, 0.2762),
            [49, 33, 72, 51, 71],
        ),
    ],
)
def test_cifar_is_read_from_its_official_bytes(name, folder, classes, mean, std, first):
    arrays = data.prepare(name, official(folder), 0.1, 2020)
    assert {part: arrays[f"{part}_x"].shape for part in PARTS} == {
        "train": (45000, 3, 32, 32),
        "validation": (5000, 3, 32, 32),
        "test": (10000, 3, 32, 32),
    }
    assert np.array_equal(np.bincount(arrays["validation_y"]), [5000 // classes] * classes)
    assert np.array_equal(np.bincount(arrays["test_y"]), [10000 // classes] * classes)
    assert arrays["test_y"][:5].tolist() == first
    whole = np.concatenate([arrays["train_x"], arrays["validation_x"]]) / 255
    assert np.allclose(whole.mean((0, 2, 3)), mean, atol=1e-3) and np.allclose(
        whole.std((0, 2, 3)), std, atol=1e-3
    )  # A26


def test_tiny_imagenet_is_read_from_its_official_files():
    """The whole set, or a part of it with as many images of each class."""
    root = official("tiny-imagenet-200")
    arrays = data.prepare("tiny-imagenet", root, 0.1, 2020)
    train = np.bincount(arrays["train_y"]) + np.bincount(arrays["validation_y"])
    for count in (train, np.bincount(arrays["test_y"])):
        assert len(count) == 200 and len(set(count)) == 1
    assert arrays["train_x"].shape[1:] == (3, 64, 64)
    assert np.allclose(arrays["train_x"].mean((0, 2, 3)) / 255, [0.480, 0.448, 0.398], atol=5e-3)
    modes = {Image.open(path).mode for path in (root / "tiny-imagenet-200" / "train").glob("*/images/*.JPEG")}
    assert modes == {"RGB", "L"}  # grey ones are among them, and have been read


def test_the_simulated_cifar10_dvs_is_made_of_cifar10():
    root = official("cifar-10-batches-py")
    small = datasets.simulated(
        datasets.cifar("cifar10", root), 48, Ask(20, 10, 2020), {"train": 20, "test": 10}
    )
    assert small["train_x"].shape == (20, 10, 2, 48, 48) and np.array_equal(
        np.bincount(small["train_y"]), [2] * 10
    )
    assert small["train_x"].any((1, 2, 3, 4)).all()


# ---------------------------------------------------------------- wrong files: CIFAR


def fake_cifar(root: Path, monkeypatch) -> dict[str, Path]:
    """Small files in the official places, with the official digests changed to theirs."""
    kind, folder = torchvision.datasets.CIFAR10, root / "cifar-10-batches-py"
    folder.mkdir()
    found = {}
    for attribute in ("train_list", "test_list"):
        listed = [[name, None] for name, _ in getattr(kind, attribute)]
        for entry in listed:
            found[entry[0]] = folder / entry[0]
            found[entry[0]].write_bytes(entry[0].encode() * 100)
            entry[1] = hashlib.md5(found[entry[0]].read_bytes()).hexdigest()
        monkeypatch.setattr(kind, attribute, listed)
    return found


def test_a_corrupted_batch_is_named_with_both_digests(tmp_path, monkeypatch):
    broken = fake_cifar(tmp_path, monkeypatch)["data_batch_3"]
    expected = hashlib.md5(broken.read_bytes()).hexdigest()
    broken.write_bytes(broken.read_bytes()[:-7])
    told = line(datasets.cifar, "cifar10", tmp_path)
    assert str(broken) in told and expected in told and hashlib.md5(broken.read_bytes()).hexdigest() in told
    assert "corrupted or half-downloaded" in told and "remove" in told


def test_a_half_downloaded_archive_is_named_with_the_expected_digest(tmp_path, offline):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"half")
    told = line(datasets.cifar, "cifar10", tmp_path)
    assert "cifar-10-python.tar.gz is corrupted or half-downloaded" in told
    assert "c58f30108f718f92721af3b95e74349a" in told


@pytest.mark.parametrize("name", [name for name in DATASETS if not name.startswith("digits")])
def test_absent_data_without_a_network_leave_nothing_behind(name, tmp_path, offline):
    told = line(data.prepare, name, tmp_path, 0.1, 0)
    assert str(tmp_path) in told and "no network" in told and "SNN_DATA" in told
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_two_tries_without_a_network_say_the_same(tmp_path, offline):
    """SpikingJelly's own second try would stop at the marker that its first one left."""
    told = [line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 0) for _ in range(2)]
    assert told[0] == told[1] and "no network" in told[1]


# ---------------------------------------------------------------- Tiny-ImageNet


@pytest.fixture
def tiny(tmp_path) -> Path:
    """Three classes in the official layout, 4 training and 2 validation images each; one image is grey."""
    rng, folder = np.random.default_rng(0), tmp_path / "tiny-imagenet-200"
    (folder / "val" / "images").mkdir(parents=True)
    notes = []
    for label, wnid in enumerate(("n02", "n01", "n03")):
        images = folder / "train" / wnid / "images"
        images.mkdir(parents=True)
        for n in range(4):
            Image.new("RGB", (64, 64), (80 * label, 20 * n, 200)).save(images / f"{wnid}_{n}.JPEG")
        for n in range(2):
            name = f"val_{2 * label + n}.JPEG"
            Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(
                folder / "val" / "images" / name
            )
            notes.append(f"{name}\t{wnid}\t0\t0\t63\t63\n")
    Image.new("L", (64, 64), 77).save(folder / "train" / "n01" / "images" / "n01_2.JPEG")
    (folder / "val" / "val_annotations.txt").write_text("".join(notes))
    return folder


def read_tiny(tiny: Path):
    return datasets.tiny_imagenet(tiny.parent, Ask())


def test_tiny_imagenet_is_read_in_order_of_its_classes(tiny):
    found = read_tiny(tiny)
    assert found["train_x"].shape == (12, 3, 64, 64) and found["train_x"].dtype == np.uint8
    assert found["train_y"].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert found["test_y"].tolist() == [1, 1, 0, 0, 2, 2]  # the validation images
    assert (found["train_x"][2] == 77).all()  # grey, as RGB
    assert abs(found["train_x"][8:, 0].astype(int) - 160).max() < 3  # n03
    assert len(datasets.tiny_imagenet(tiny.parent, Ask(images=6))["train_y"]) == 6


def test_its_archive_is_unpacked_whole(tiny, monkeypatch):
    expected, root = read_tiny(tiny), tiny.parent
    shutil.make_archive(str(root / tiny.name), "zip", root, tiny.name)
    shutil.rmtree(tiny)
    monkeypatch.setattr(
        tiny_imagenet, "MD5", hashlib.md5((root / "tiny-imagenet-200.zip").read_bytes()).hexdigest()
    )
    found = read_tiny(tiny)
    assert all(np.array_equal(found[key], expected[key]) for key in expected)
    assert {path.name for path in root.iterdir()} == {"tiny-imagenet-200", "tiny-imagenet-200.zip"}


def test_its_half_downloaded_archive_is_named_with_the_expected_digest(tmp_path, offline):
    (tmp_path / "tiny-imagenet-200.zip").write_bytes(b"half")
    told = line(datasets.tiny_imagenet, tmp_path, Ask())
    assert "tiny-imagenet-200.zip is corrupted or half-downloaded" in told and tiny_imagenet.MD5 in told
    assert files(tmp_path) == {"tiny-imagenet-200.zip"}


def test_an_archive_that_breaks_off_leaves_no_half_folder(tiny, monkeypatch):
    root = tiny.parent
    shutil.make_archive(str(root / tiny.name), "zip", root, tiny.name)
    shutil.rmtree(tiny)
    monkeypatch.setattr(
        tiny_imagenet, "MD5", hashlib.md5((root / "tiny-imagenet-200.zip").read_bytes()).hexdigest()
    )

    def half(self, target):
        (Path(target) / tiny.name / "train").mkdir(parents=True)
        raise OSError("no space left")

    monkeypatch.setattr(zipfile.ZipFile, "extractall", half)
    assert "no space left" in line(read_tiny, tiny)
    assert files(root) == {"tiny-imagenet-200.zip"}


def test_wrong_layouts_of_tiny_imagenet_get_one_line(tiny):
    shutil.move(tiny / "val" / "val_annotations.txt", tiny / "val_annotations.txt")
    assert "val holds images; its images/ val_0.JPEG" in line(read_tiny, tiny)
    shutil.move(tiny / "val_annotations.txt", tiny / "val" / "val_annotations.txt")
    shutil.move(tiny / "train", tiny / "training")
    assert "lacks train/" in line(read_tiny, tiny)


def test_a_class_with_no_images_is_named(tiny):
    for path in (tiny / "train" / "n03" / "images").iterdir():
        path.unlink()
    told = line(read_tiny, tiny)
    assert "a class has no images" in told and str(Path("n03") / "images") in told


def test_a_class_that_only_the_annotations_know_is_named(tiny):
    shutil.rmtree(tiny / "train" / "n02")
    assert "val_0.JPEG is of class 'n02'" in line(read_tiny, tiny)


def test_a_class_without_test_images_is_named(tiny):
    notes = tiny / "val" / "val_annotations.txt"
    notes.write_text("".join(row for row in notes.read_text().splitlines(keepends=True) if "n03" not in row))
    assert "has no image of n03" in line(read_tiny, tiny)


@pytest.mark.parametrize("where", ["train/n01/images/n01_1.JPEG", "val/images/val_3.JPEG"])
def test_a_broken_missing_or_larger_jpeg_is_named(tiny, where):
    whole = (tiny / where).read_bytes()
    for wrong in (whole[: len(whole) // 2], b"", b"no picture"):
        (tiny / where).write_bytes(wrong)
        told = line(read_tiny, tiny)
        assert where in told and "cannot be read as a JPEG" in told
    Image.new("RGB", (32, 48)).save(tiny / where)
    assert f"{where} has 32x48 pixels" in line(read_tiny, tiny)
    if where.startswith("val"):
        (tiny / where).unlink()
        assert where in line(read_tiny, tiny)


# ---------------------------------------------------------------- CIFAR10-DVS


def write_recordings(root: Path, each: int = 20, ending: str = "aedat") -> None:
    """`each` recordings of every class under root/cifar10-dvs,
    as an earlier download would have left them."""
    for label, name in enumerate(CIFAR10DVS_CLASS_NAMES):
        for n in range(each):
            stream = random_stream(400 + 100 * label + n)
            if ending == "aedat":
                write_aedat(stream, root / "cifar10-dvs" / "extract" / name / f"cifar10_{name}_{n}.aedat")
            else:
                path = root / "cifar10-dvs" / "events_np" / name / f"cifar10_{name}_{n}.npz"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.savez(path, **stream)


def test_recordings_pass_from_aedat_to_frames(tmp_path, offline):
    write_recordings(tmp_path)
    found = data.prepare("cifar10-dvs", tmp_path, 1 / 9, 2020)
    assert {part: found[f"{part}_x"].shape for part in PARTS} == {
        "train": (160, 20, 2, 64, 64),
        "validation": (20, 20, 2, 64, 64),
        "test": (20, 20, 2, 64, 64),
    }
    for part, each in zip(PARTS, (16, 2, 2), strict=True):
        assert np.array_equal(np.bincount(found[f"{part}_y"]), [each] * 10)
    expected = {events.by_number(random_stream(400 + 100 * label + n), 20, 64, 128).tobytes(): label
                for label in range(10) for n in range(20)}  # fmt: skip
    seen = {
        x.tobytes(): y for part in PARTS for x, y in zip(found[f"{part}_x"], found[f"{part}_y"], strict=True)
    }
    assert seen == expected  # every recording once, with its label and all its events
    assert {path.name for path in (tmp_path / "cifar10-dvs").iterdir()} == {"extract", "events_np"}


def test_placed_event_files_need_no_download_and_give_the_same(tmp_path, offline):
    for ending in ("aedat", "npz"):
        write_recordings(tmp_path / ending, 10, ending)
    first, again = (
        data.prepare("cifar10-dvs", tmp_path / ending, 0.1, 2020, frames=10) for ending in ("aedat", "npz")
    )
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert first["train_x"].shape[1] == 10


def test_the_test_recordings_are_the_same_in_every_study(tmp_path, offline):
    write_recordings(tmp_path, 10, "npz")
    one, other = (
        data.prepare("cifar10-dvs", tmp_path, 0.2, 1),
        data.prepare("cifar10-dvs", tmp_path, 0.4, 2, images=40),
    )
    assert np.array_equal(one["test_x"], other["test_x"])
    assert len(other["train_y"]) + len(other["validation_y"]) == 40


def test_zips_are_unpacked_and_a_broken_one_is_named_with_its_digest(tmp_path, offline, monkeypatch):
    write_recordings(tmp_path / "made", 10)
    download, listed = tmp_path / "cifar10-dvs" / "download", []
    download.mkdir(parents=True)
    for name in CIFAR10DVS_CLASS_NAMES:
        with zipfile.ZipFile(download / f"{name}.zip", "w") as file:
            for path in (tmp_path / "made" / "cifar10-dvs" / "extract" / name).iterdir():
                file.write(path, f"{name}/{path.name}")
        listed.append(
            (
                f"{name}.zip",
                "https://nowhere",
                hashlib.md5((download / f"{name}.zip").read_bytes()).hexdigest(),
            )
        )
    monkeypatch.setattr(CIFAR10DVS, "resource_url_md5", lambda: listed)
    whole = (download / "dog.zip").read_bytes()
    (download / "dog.zip").write_bytes(whole[:-100])
    told = line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 2020)
    assert "dog.zip is corrupted or half-downloaded" in told and listed[5][2] in told
    assert {path.name for path in (tmp_path / "cifar10-dvs").iterdir()} == {
        "download"
    }  # the other nine are kept
    (download / "dog.zip").write_bytes(whole)
    assert len(data.prepare("cifar10-dvs", tmp_path, 0.1, 2020)["test_y"]) == 10


@pytest.mark.parametrize("cut", [1, 4])
def test_an_aedat_file_cut_short_is_named_and_nothing_half_made_stays(tmp_path, offline, cut):
    write_recordings(tmp_path, 3)
    broken = tmp_path / "cifar10-dvs" / "extract" / "cat" / "cifar10_cat_1.aedat"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-cut])
    for _ in range(2):
        told = line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 2020)
        assert str(broken) in told and "cut short" in told
        assert {path.name for path in (tmp_path / "cifar10-dvs").iterdir()} == {"extract"}
    broken.write_bytes(whole)
    assert len(data.prepare("cifar10-dvs", tmp_path, 0.5, 2020)["test_y"]) == 10


def test_an_event_file_cut_short_is_named(tmp_path, offline):
    write_recordings(tmp_path, 3, "npz")
    broken = tmp_path / "cifar10-dvs" / "events_np" / "frog" / "cifar10_frog_2.npz"
    whole = broken.read_bytes()
    for wrong in (whole[:-30], whole[: len(whole) // 2], b"", whole.replace(b"p.npy", b"q.npy")):
        broken.write_bytes(wrong)
        told = line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 2020)
        assert str(broken) in told and "cut short or no event file" in told


def test_impossible_events_are_named(tmp_path, offline):
    write_recordings(tmp_path, 3, "npz")
    broken = tmp_path / "cifar10-dvs" / "events_np" / "frog" / "cifar10_frog_2.npz"
    np.savez(broken, **random_stream(19))
    assert f"{broken} holds 19 whole events; 20 frames need as many" in line(
        data.prepare, "cifar10-dvs", tmp_path, 0.1, 0
    )
    np.savez(broken, **random_stream(500, size=200))
    assert f"{broken} has events outside 128x128" in line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 0)


def test_a_class_without_recordings_is_named(tmp_path, offline):
    write_recordings(tmp_path, 3, "npz")
    shutil.rmtree(tmp_path / "cifar10-dvs" / "events_np" / "ship")
    told = line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 2020)
    assert "a class has no images" in told and "ship" in told


def test_the_marker_of_a_stopped_preparation_is_explained_where_it_matters(tmp_path, offline):
    """Left by SpikingJelly itself: a hint that its folders may be half made.
    Without these it means nothing."""
    (tmp_path / "cifar10-dvs").mkdir()
    marker = tmp_path / "cifar10-dvs" / "events_np.building"
    marker.touch()
    assert "no network" in line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 2020)
    write_recordings(tmp_path, 3, "npz")
    told = line(data.prepare, "cifar10-dvs", tmp_path, 0.1, 2020)
    assert "an earlier preparation was stopped" in told and str(marker) in told
    marker.unlink()
    assert len(data.prepare("cifar10-dvs", tmp_path, 0.5, 2020)["test_y"]) == 10


# ---------------------------------------------------------------- simulated


def test_the_same_seed_gives_the_same_simulated_bytes():
    first, again, other = (datasets.digits_dvs_sim(Path("unused"), Ask(100, 4, seed)) for seed in (7, 7, 8))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert not np.array_equal(first["train_x"], other["train_x"])
    assert first["train_x"].shape == (100, 4, 2, 16, 16) and first["test_x"].shape == (359, 4, 2, 16, 16)


def test_the_noise_of_the_training_part_does_not_come_again_in_the_test_part():
    still = {"train_x": np.full((9, 1, 8, 8), 128, np.uint8), "train_y": np.zeros(9, int)}
    still |= {"test_x": still["train_x"], "test_y": still["train_y"]}
    found = datasets.simulated(still, 16, Ask(frames=4, seed=1), {"train": None, "test": None})
    assert found["train_x"].any() and not np.array_equal(found["train_x"], found["test_x"])


# ---------------------------------------------------------------- all


def test_a_small_class_gives_what_it_has():
    labels = np.array([0, 0, 0, 1, 1, 0])
    assert datasets.first(labels, 6).tolist() == [0, 1, 2, 3, 4] and datasets.first(
        labels, None
    ).tolist() == [*range(6)]


class Server(BaseHTTPRequestHandler):
    """Serves `content`; the first answer stops half-way; later ones begin where they are asked to."""

    content, asked = bytes(range(256)) * 5000, []

    def do_GET(self):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.asked.append(start)
        if start == len(self.content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(self.content) - start))
        self.end_headers()
        self.wfile.write(self.content[start : len(self.content) // 2 if len(self.asked) == 1 else None])

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def server():
    Server.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/file"
        running.shutdown()


def test_a_download_that_broke_off_goes_on_from_where_it_was(tmp_path, server):
    path, md5 = tmp_path / "raw" / "file.zip", hashlib.md5(Server.content).hexdigest()
    with pytest.raises(OSError, match="broke off after 640000 of 1280000 bytes; try again"):
        download.fetch(server, path, md5)
    assert not path.exists()
    download.fetch(server, path, md5)
    assert (
        path.read_bytes() == Server.content
        and Server.asked == [0, 640000]
        and files(tmp_path / "raw") == {"file.zip"}
    )
    download.fetch(server, path, md5)  # it is there: nothing is asked for
    assert len(Server.asked) == 2


def test_a_download_that_was_stopped_before_it_got_its_name_gets_it(tmp_path, server):
    (tmp_path / "file.zip.part").write_bytes(Server.content)
    download.fetch(server, tmp_path / "file.zip", hashlib.md5(Server.content).hexdigest())
    assert files(tmp_path) == {"file.zip"}


def test_a_download_that_is_not_the_official_file_is_refused_and_not_kept(tmp_path, server):
    Server.asked.append(0)
    with pytest.raises(RuntimeError, match="is not the official file: md5 .*, expected abc"):
        download.fetch(server, tmp_path / "file.zip", "abc")
    assert not files(tmp_path)


# ---------------------------------------------------------------- what a reader gives

GIVEN = {
    "train_x": np.zeros((20, 1, 8, 8), np.uint8),
    "train_y": np.arange(20) % 10,
    "test_x": np.zeros((10, 1, 8, 8), np.uint8),
    "test_y": np.arange(10),
}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            {"train_x": np.zeros((20, 1, 8, 9), np.uint8)},
            r"gave train_x uint8 \[20, 1, 8, 9\]; .* uint8 \[images, 1, 8, 8\]",
        ),
        ({"test_x": np.zeros((10, 8, 8, 1), np.uint8)}, r"gave test_x uint8 \[10, 8, 8, 1\]"),
        ({"train_x": np.zeros((20, 1, 8, 8))}, r"gave train_x float64 .* it must be uint8"),
        ({"train_y": np.arange(19) % 10}, r"gave train_y \[19\] for 20 images; give one label an image"),
        (
            {"train_y": np.arange(20) % 10 + 1},
            "gave train_y of 10 classes, 1 to 10; it must be of 10, 0 to 9",
        ),
        ({"train_y": np.arange(20) % 2}, "gave train_y of 2 classes, 0 to 1"),
    ],
)
def test_what_a_reader_gives_is_held_to_its_record(wrong, told, monkeypatch):
    monkeypatch.setattr(datasets, "digits", lambda root, ask: GIVEN)
    assert len(data.prepare("digits", Path("unused"), 0.5, 0)["train_y"]) == 10
    monkeypatch.setattr(datasets, "digits", lambda root, ask: GIVEN | wrong)
    with pytest.raises(DataError, match=told) as error:
        data.prepare("digits", Path("unused"), 0.5, 0)
    assert "\n" not in str(error.value)
