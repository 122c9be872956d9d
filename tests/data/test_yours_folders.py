"""Folders of a user's own in which something is wrong: one line that names the file and says what to do."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from own import CLASSES, COUNTS, one_line, put, write_frames, write_image
from PIL import Image

# ---------------------------------------------------------------- wrong folders


def test_a_path_where_nothing_is(tmp_path):
    one_line(f"{tmp_path / 'x'} is not there; give a folder of train/ and test/", tmp_path / "x")


@pytest.mark.parametrize("name", ["mine.zip", "mine", "train_x.npy"])
def test_a_file_that_is_no_npz(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    one_line(f"{name} is neither a folder nor an .npz; give a folder of train/", tmp_path / name)


def test_a_folder_without_a_test_part(pictures):
    (pictures / "test").rename(pictures / "val")
    one_line(f"{pictures} lacks train/ or test/: it holds train, val; give", pictures)


def test_images_in_no_class(pictures):
    shutil.move(pictures / "train" / "ant" / "3.png", pictures / "train")
    one_line("train/3.png lies in no class; put it into a folder of", pictures)
    for one in CLASSES:
        shutil.rmtree(pictures / "train" / one)
    one_line(f"{pictures / 'train'} has no class: it holds 3.png; give it one folder a class", pictures)


@pytest.mark.parametrize(("part", "there"), [("train", "test"), ("test", "train")])
def test_classes_that_differ(part, there, pictures):
    (pictures / part / "bee").rename(pictures / part / "wasp")
    one_line("lacks the class ", pictures)
    shutil.rmtree(pictures / part / "wasp")
    one_line(f"{pictures / part} lacks the class 'bee'; give train/ and test/ the same classes", pictures)


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_class(part, pictures):
    for path in (pictures / part / "cat").iterdir():
        path.unlink()
    (pictures / part / "cat" / ".keep").touch()
    one_line(f"{pictures / part / 'cat'} holds no file; put files of that class there", pictures)


def test_one_class_alone(pictures):
    for part in COUNTS:
        for one in CLASSES[1:]:
            shutil.rmtree(pictures / part / one)
    one_line("has one class alone; give two or more", pictures)


def test_a_folder_of_two_kinds(pictures):
    write_frames(pictures / "test" / "cat" / "0.npz", np.zeros((2, 2, 4, 4)))
    images, frames = pictures / "train" / "ant" / "0.png", pictures / "test" / "cat" / "0.npz"
    one_line(f"holds images ({images}) and event frames ({frames}); give a folder of one kind", pictures)


@pytest.mark.parametrize("name", ["notes.txt", "7", "7.npy", "7.eps", "7.png.part"])
def test_a_suffix_that_is_neither(name, pictures):
    (pictures / "test" / "bee" / name).write_bytes(b"x")
    one_line(f"bee/{name} is by its suffix neither an image that PIL reads nor an .npz; convert it", pictures)


@pytest.mark.parametrize(
    ("validation", "said"),
    [
        (0.04, "validation: 0.04: holds out 0 of 10 images of class 'ant' of"),
        (0.96, "holds out 10 of 10 images of class 'ant' of"),
    ],
)
def test_a_class_too_small_for_the_share(validation, said, pictures):
    one_line(said, pictures, validation=validation)
    one_line("hold out one and leave one: ", pictures, validation=validation)


# ---------------------------------------------------------------- wrong images


def test_sizes_that_differ(pictures):
    Image.new("RGB", (9, 6)).save(pictures / "test" / "bee" / "1.png")
    both = f"bee/1.png has 9x6 pixels, {pictures / 'train' / 'ant' / '0.png'} has 8x6 (width x height)"
    one_line(f"{both}; give size", pictures)


@pytest.mark.parametrize("left", [0, 20, 60, 150])
def test_a_broken_image(left, pictures):
    path = pictures / "test" / "cat" / "2.png"
    path.write_bytes(path.read_bytes()[:left])
    one_line(f"{path} cannot be read as an image (", pictures)
    one_line("); mend it, or take it out", pictures)


def test_a_picture_is_not_run_by_ghostscript(pictures):
    """Whatever a file is called, PIL goes by what it begins with."""
    (pictures / "test" / "cat" / "2.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n")
    one_line("2.png cannot be read as an image (cannot identify image file", pictures)


def test_pixels_of_16_bits(pictures):
    Image.fromarray(np.full((6, 8), 3000, np.uint16)).save(pictures / "train" / "ant" / "4.png")
    one_line("ant/4.png has pixels of mode I;16; give images of 8 bits a channel", pictures)


def test_several_images_in_a_file(pictures):
    frames = [Image.new("RGB", (8, 6), (n, 0, 0)) for n in range(3)]
    frames[0].save(pictures / "train" / "bee" / "x.gif", save_all=True, append_images=frames[1:])
    one_line("bee/x.gif holds 3 images; give one a file", pictures)


def test_a_channel_that_never_changes(tmp_path):
    def write(path: Path, pixels: np.ndarray) -> None:
        write_image(path, pixels * np.array([1, 1, 0], np.uint8))

    put(tmp_path, (6, 8, 3), ".png", write)
    one_line("channel 2 is 0 in every pixel of all training images and cannot be normalised", tmp_path)


# ---------------------------------------------------------------- wrong event frames


@pytest.mark.parametrize("shape", [(5, 2, 5, 6), (4, 2, 6, 6), (4, 2, 5, 7)])
def test_frames_that_differ(shape, recordings):
    write_frames(recordings / "test" / "bee" / "1.npz", np.zeros(shape))
    both = (
        f"1.npz has frames {list(shape)}, {recordings / 'train' / 'ant' / '0.npz'} has [4, 2, 5, 6]; give all"
    )
    one_line(both, recordings)


@pytest.mark.parametrize(
    ("value", "said"),
    [(256, "0 to 256 of float64"), (-1, "-1 to 0"), (0.5, "0 to 0.5"), (np.nan, "nan"), (np.inf, "inf")],
)
def test_what_is_no_count(value, said, recordings):
    found = np.zeros((4, 2, 5, 6))
    found[1, 1, 2, 3] = value
    np.savez(recordings / "train" / "cat" / "7.npz", frames=found)
    one_line(f"{recordings / 'train' / 'cat' / '7.npz'}: frames holds ", recordings)
    one_line(said, recordings)
    one_line("give whole counts of 0 to 255: integrate into more frames, or clip them", recordings)


@pytest.mark.parametrize("found", [np.zeros((4, 5, 6)), np.zeros((4, 3, 5, 6)), np.full((4, 2, 5, 6), "x")])
def test_what_are_no_frames(found, recordings):
    np.savez(recordings / "train" / "ant" / "0.npz", frames=found)
    one_line(f"0.npz: frames is {found.dtype} {list(found.shape)}; give counts [T, 2, H, W]", recordings)


def test_streams_that_are_not_yet_frames(recordings):
    np.savez(recordings / "test" / "ant" / "0.npz", **dict.fromkeys("txyp", np.arange(5)))
    one_line("0.npz holds ['t', 'x', 'y', 'p']; it must hold frames and nothing else", recordings)


@pytest.mark.parametrize("left", [0, 30, 700])
def test_a_broken_recording(left, recordings):
    path = recordings / "test" / "cat" / "2.npz"
    path.write_bytes(path.read_bytes()[:left])
    one_line(f"{path} is damaged or no .npz (", recordings)


def test_frames_are_not_resized(recordings):
    one_line(
        f"size: (8, 8): {recordings} holds event frames, which are not resized; leave size out",
        recordings,
        size=8,
    )
