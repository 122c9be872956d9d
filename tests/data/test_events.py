"""Event streams: exact events for known light, and recordings that pass through the same frames."""

import math
import time

import numpy as np
import pytest
import torch
from spikingjelly.datasets.cifar10_dvs import CIFAR10DVS, _load_origin_data

from lib.core.errors import ConfigError
from lib.data import augmentation, datasets, events
from lib.data.events import BRIGHTER, DARK, DARKER


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sensed(light: list[torch.Tensor], **sensor) -> torch.Tensor:
    """[N, steps, 2, H, W]"""
    return torch.stack(list(events.sense(light, chance(), **sensor)), dim=1)


def step_of(thresholds: float, threshold: float = 0.2, start: float = 0.3) -> list[torch.Tensor]:
    """Light of one pixel before and after its log intensity has changed by so many thresholds."""
    after = (start + DARK) * math.exp(thresholds * threshold) - DARK
    return [torch.full((1, 1, 1), start), torch.full((1, 1, 1), after)]


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_a_step_of_contrast_gives_exactly_the_events_that_it_crosses(n):
    for more in (0.1, 0.9):
        up, down = (
            sensed(step_of(sign * (n + more)), threshold=0.2)[0, 0, :, 0, 0].tolist() for sign in (1, -1)
        )
        assert (up[BRIGHTER], up[DARKER]) == (n, 0) and (down[BRIGHTER], down[DARKER]) == (0, n)


def test_what_is_left_of_a_step_counts_towards_the_next_event():
    before, after = step_of(0.6, threshold=0.2)
    last = (after + DARK) * math.exp(0.6 * 0.2) - DARK
    assert sensed([before, after, last], threshold=0.2)[0, :, BRIGHTER, 0, 0].tolist() == [0, 1]


def test_light_that_comes_back_leaves_no_more_than_one_event_over():
    """Brighter and darker events cancel along a closed path, but for what is less than a threshold."""
    images = torch.rand(4, 3, 8, 8, generator=chance())
    found = events.simulate(images, 16, 20, chance(1), amplitude=2.0).long().sum(1)
    assert (found[:, BRIGHTER] - found[:, DARKER]).abs().max() <= 1 and found.sum() > 1000


def test_the_polarity_is_the_sign_of_the_change():
    """A white half that moves right brightens the pixels at its front and darkens those behind it."""
    half = torch.zeros(1, 1, 8, 8)
    half[..., :4] = 1
    moved = [events.shifted(half, torch.tensor([x, 0.0]), 16)[:, 0] for x in (0.0, 2.0)]
    right, left = sensed(moved), sensed(moved[::-1])
    assert right[:, :, BRIGHTER].sum() > 0 == right[:, :, DARKER].sum()
    assert left[:, :, DARKER].sum() > 0 == left[:, :, BRIGHTER].sum()


def test_a_still_image_gives_no_events_without_noise():
    images = torch.rand(2, 3, 8, 8, generator=chance())
    assert events.simulate(images, 16, 12, chance(), amplitude=0.0).sum() == 0
    assert events.simulate(torch.full((2, 3, 8, 8), 0.5), 16, 12, chance(), amplitude=3.0).sum() == 0


def test_the_path_is_closed_and_smooth():
    path = events.closed_path(400, 3.0)
    assert path.shape == (401, 2) and torch.equal(path[0], path[-1])
    assert path.abs().max(0).values.tolist() == pytest.approx([3.0, 1.5], abs=1e-3)
    speed = path.diff(dim=0)
    assert speed.norm(dim=1).max() < 0.1
    turns = torch.cat([speed, speed[:1]]).diff(dim=0)  # the corner where it closes included
    assert turns.norm(dim=1).max() < 0.002


def test_a_displacement_of_whole_pixels_moves_the_image_by_them():
    image = torch.rand(1, 1, 8, 8, generator=chance())
    moved = events.shifted(image, torch.tensor([2.0, 1.0]), 8)
    assert torch.allclose(moved[0, 0, 1:, 2:], image[0, 0, :-1, :-2], atol=1e-6)


@pytest.mark.parametrize("refractory", [1, 3])
@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_the_refractory_time_bounds_the_rate(refractory, noise):
    flicker = [torch.full((1, 6, 6), 0.9 if step % 2 else 0.1) for step in range(41)]
    found = sensed(flicker, refractory=refractory, noise=noise)[0].sum(1)  # [steps, H, W]
    assert found.max() == 1
    for start in range(40 - refractory):
        assert found[start : start + refractory + 1].sum(0).max() <= 1
    assert sensed(flicker)[0].sum() > 10 * found.sum() > 0


def test_a_resting_pixel_follows_the_light():
    """What changes while it rests is never reported: a ramp gives an event in every other step,
    never two to catch up."""
    ramp = [torch.full((1, 1, 1), DARK * math.exp(0.25 * step) - DARK) for step in range(9)]
    assert sensed(ramp, threshold=0.2, refractory=1)[0, :, BRIGHTER, 0, 0].tolist() == [1, 0] * 4


def test_noise_comes_at_its_rate():
    still = [torch.full((20, 16, 16), 0.5)] * 21
    for rate in (0.001, 0.02, 0.3):
        found = sensed(still, noise=rate)
        deviation = math.sqrt(found.numel() * rate * (1 - rate))
        for polarity in (DARKER, BRIGHTER):
            half = found[:, :, polarity]
            assert abs(half.sum().item() - half.numel() * rate) < 4.5 * deviation / math.sqrt(2)


def test_the_seed_fixes_every_byte():
    images = torch.rand(3, 3, 8, 8, generator=chance())
    first, again, other = (events.simulate(images, 16, 8, chance(seed), noise=0.01) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_images_do_not_influence_each_other():
    images = torch.rand(3, 3, 8, 8, generator=chance())
    whole = events.simulate(images, 16, 8, chance())
    assert all(
        torch.equal(whole[n : n + 1], events.simulate(images[n : n + 1], 16, 8, chance())) for n in range(3)
    )


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"noise": 1.0}, {"noise": -0.1}])
def test_impossible_sensors_are_refused(wrong):
    with pytest.raises(ValueError, match="must be > 0 and noise"):
        events.simulate(torch.rand(1, 1, 8, 8), 8, 2, chance(), **wrong)


def test_frames_conserve_events():
    found = events.simulate(torch.rand(3, 3, 8, 8, generator=chance()), 16, 12, chance(), noise=0.01)
    for T in (1, 3, 4, 12):
        counted = events.frames(found, T)
        assert counted.shape == (3, T, 2, 16, 16) and counted.dtype == torch.uint8
        assert torch.equal(counted.long().sum(1), found.long().sum(1))
    assert torch.equal(events.frames(found, 12), found)
    with pytest.raises(ValueError, match="12 steps do not divide into T = 5"):
        events.frames(found, 5)


def test_a_stream_holds_every_event_in_order_of_time():
    found = events.simulate(torch.rand(1, 3, 8, 8, generator=chance()), 16, 12, chance(), noise=0.01)[0]
    stream = events.stream(found)
    again = np.zeros(found.shape, np.uint8)
    np.add.at(again, tuple(stream[name] for name in "tpyx"), 1)
    assert np.array_equal(again, found.numpy()) and (np.diff(stream["t"]) >= 0).all()


def test_a_core_simulates_200_images_of_cifar_a_second():
    """In processor time, so that other work on the machine does not count."""
    images, before = torch.rand(100, 3, 32, 32, generator=chance()), time.process_time()
    for part in images.split(50):
        events.frames(events.simulate(part, 48, 40, chance(), noise=1e-3), 10)
    assert 100 / (time.process_time() - before) > 200


def random_stream(n: int = 1003, size: int = 128) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n)
    return {
        "t": np.sort(rng.integers(0, 10**6, n)),
        **{a: rng.integers(0, size, n) for a in "xy"},
        "p": rng.integers(0, 2, n),
    }


def write_aedat(stream: dict[str, np.ndarray], path) -> None:
    """An AEDAT 2 file as CIFAR10-DVS has them: text header, then big-endian address and time of each event.

    The camera lies on its side and its polarity is turned round:
    address x is 127 - y of the picture, and so on.
    """
    address = (127 - stream["x"]) << 8 | (127 - stream["y"]) << 1 | (1 - stream["p"])
    pairs = np.stack([address, stream["t"]], axis=1).astype(">u4")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"#!AER-DAT2.0\r\n# made by a test\r\n" + pairs.tobytes())


def test_aedat_files_come_back_through_spikingjelly_and_make_the_same_frames(tmp_path):
    """Known events -> the format of CIFAR10-DVS -> SpikingJelly's reader -> the frames that simulated events
    make."""
    found = events.simulate(torch.rand(1, 3, 16, 16, generator=chance()), 128, 8, chance(), noise=1e-3)
    stream = events.stream(found[0])
    write_aedat(stream, tmp_path / "one.aedat")
    read = _load_origin_data(tmp_path / "one.aedat")
    assert all(np.array_equal(read[name], stream[name]) for name in "txyp")
    by_step = np.zeros((8, 2, 128, 128), np.uint8)
    np.add.at(by_step, tuple(read[name].astype(int) for name in "tpyx"), 1)
    assert torch.equal(events.frames(torch.from_numpy(by_step)[None], 4), events.frames(found, 4))


def test_frames_by_number_are_those_of_spikingjellys_reader(tmp_path):
    for label, name in enumerate(("airplane", "truck")):
        path = tmp_path / "events_np" / name / "cifar10_0.npz"
        path.parent.mkdir(parents=True)
        np.savez(path, **random_stream(1000 + 7 * label))
    reader = CIFAR10DVS(str(tmp_path), data_type="frame", frames_number=20, split_by="number")
    for label in range(2):
        ours = events.by_number(random_stream(1000 + 7 * label), 20, 128, 128)
        assert np.array_equal(ours, reader[label][0]) and reader[label][1] == label


def test_smaller_frames_sum_the_events_of_larger_ones():
    stream = random_stream(20_001)
    large, small = (events.by_number(stream, 20, size, 128) for size in (128, 64))
    assert small.shape == (20, 2, 64, 64) and small.dtype == np.uint8
    assert (
        np.array_equal(large.sum((2, 3), dtype=int), small.sum((2, 3), dtype=int))
        and small.sum(dtype=int) == 20_001
    )
    place = np.repeat(np.arange(64), 2)
    pooled = np.zeros((20, 2, 64, 64), int)
    np.add.at(pooled, (slice(None), slice(None), place[:, None], place[None, :]), large)
    assert np.array_equal(pooled, small)


@pytest.mark.parametrize("each", [1, 3])
def test_an_even_field_of_events_gives_an_even_frame(each):
    """As many events at every pixel of the sensor, both polarities:
    every count of a frame must be the same."""
    rng = np.random.default_rng(0)
    y, x, p = (grid.ravel() for grid in np.meshgrid(np.arange(128), np.arange(128), (0, 1), indexing="ij"))
    field = [rng.permutation(len(x)) for _ in range(each)]
    stream = {
        name: np.concatenate([axis[turn] for turn in field]) for name, axis in (("x", x), ("y", y), ("p", p))
    }
    stream["t"] = np.arange(len(stream["x"]))
    counts = events.by_number(stream, each, datasets.DVS_SIZE, 128)
    assert counts.min() == counts.max() == (128 // datasets.DVS_SIZE) ** 2


def test_sizes_that_do_not_divide_the_sensor_are_refused():
    for size in (48, 96, 100):
        with pytest.raises(ValueError, match=f"size: {size}: 128 sensor pixels do not divide evenly"):
            events.by_number(random_stream(), 4, size, 128)


@pytest.mark.parametrize("kind", ["shuffled", "swapped", "backwards"])
def test_events_out_of_order_make_the_frames_of_those_in_order(kind):
    """Frames cut by hand from the events in order of time, not by SpikingJelly's reader. All times differ."""
    stream = random_stream(1001) | {"t": np.sort(np.random.default_rng(1).choice(10**6, 1001, replace=False))}
    expected = np.zeros((4, 2, 32, 32), int)
    for n in range(1001):
        frame = min(n // (1001 // 4), 3)  # the last frame takes the rest
        expected[frame, stream["p"][n], stream["y"][n] // 4, stream["x"][n] // 4] += 1
    order = {"shuffled": np.random.default_rng(2).permutation(1001), "backwards": np.arange(1001)[::-1]}
    swapped = np.arange(1001)
    swapped[[249, 250]] = [250, 249]  # the last event of the first frame and the first of the second
    turn = order.get(kind, swapped)
    wrong = {name: values[turn].astype(np.uint32) for name, values in stream.items()}
    assert np.array_equal(events.by_number(wrong, 4, 32, 128), expected)


def test_more_than_255_events_are_kept_as_255():
    stream = {name: np.zeros(2000, int) for name in "txyp"}
    assert events.by_number(stream, 2, 64, 128).max() == 255
    assert events.frames(torch.full((1, 4, 2, 1, 1), 200, dtype=torch.uint8), 2).max() == 255


def test_roll_flip_equals_a_slow_loop():
    x = torch.randint(0, 9, (3, 16, 2, 12, 10), generator=chance(1)).float()
    fast = augmentation.roll_flip(x, chance(2))
    draw = chance(2)  # the same draws, in the same order
    down, right = torch.randint(-5, 6, (2, 16), generator=draw)
    keep = torch.rand(16, 1, generator=draw) < 0.5
    for n in range(16):
        rolled = x[:, n].roll((int(down[n]), int(right[n])), (-2, -1))
        assert torch.equal(fast[:, n], rolled if keep[n] else rolled.flip(-1))
    assert 0 < keep.sum() < 16
    assert torch.equal(fast.sum((-2, -1)), x.sum((-2, -1)))  # no event is lost


def test_roll_flip_refuses_still_images():
    with pytest.raises(ConfigError, match="roll_flip is for event frames"):
        augmentation.roll_flip(torch.zeros(4, 3, 8, 8), chance())


def test_a_picture_is_white_without_events_and_shows_the_polarity():
    counts = np.zeros((1, 2, 1, 3), np.uint8)
    counts[0, BRIGHTER, 0, 1], counts[0, DARKER, 0, 2] = 9, 9
    none, brighter, darker = events.picture(counts)[0, 0]
    assert np.allclose(none, 1) and brighter[0] > brighter[2] + 0.5 and darker[2] > darker[0] + 0.5
