"""Image stores: what is put comes back bit for bit, whatever keeps it."""

import gc
import os

import numpy as np
import pytest

from robot_rl.data.frames import CompressedFrames, make_frame_store
from robot_rl.data.slot_array import FileArray
from robot_rl.errors import ConfigError, SetupError, SpecError, UnknownNameError

KINDS = ["raw", "compressed", "disk"]
HEIGHT, WIDTH = 5, 7


@pytest.fixture(params=KINDS)
def make(request, tmp_path):
    def make_store(capacity, height=HEIGHT, width=WIDTH):
        return make_frame_store(request.param, capacity, height, width, tmp_path if request.param == "disk" else None)

    return make_store


def random_images(count, height=HEIGHT, width=WIDTH):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def test_images_come_back_bit_for_bit_in_the_order_asked_for(make):
    store, images = make(200), random_images(200)
    for slot, image in enumerate(images):
        store.put(slot, image)
    slots = np.random.default_rng(1).integers(0, 200, 300)  # with repetitions
    got = store.get(slots)
    assert got.dtype == np.uint8
    assert np.array_equal(got, images[slots])


def test_differences_of_rows_wrap_around_and_back(make):
    store = make(1)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[1::2] = 255
    store.put(0, image)
    assert np.array_equal(store.get(np.array([0]))[0], image)


def test_an_image_of_one_row_has_no_row_above(make):
    store, images = make(1, 1, 9), random_images(1, 1, 9)
    store.put(0, images[0])
    assert np.array_equal(store.get(np.array([0])), images)


def test_a_new_image_takes_the_place_of_the_old_one_and_no_other(make):
    store, images = make(3), random_images(4)
    for slot in range(3):
        store.put(slot, images[slot])
    store.put(1, images[3])
    assert np.array_equal(store.get(np.arange(3)), images[[0, 3, 2]])


def test_a_slot_that_was_never_put_is_black(make):
    store = make(3)
    store.put(1, random_images(1)[0])
    assert not store.get(np.array([0, 2])).any()


def test_what_was_put_and_what_was_got_are_copies(make):
    store, image = make(2), random_images(1)[0]
    kept = image.copy()
    store.put(0, image)
    assert np.array_equal(image, kept)
    image[:] = 0
    store.get(np.array([0]))[:] = 0
    assert np.array_equal(store.get(np.array([0]))[0], kept)


def test_views_that_are_not_contiguous_are_kept_right(make):
    store, images = make(1), random_images(1)
    store.put(0, images[0][:, ::-1, ::-1])
    assert np.array_equal(store.get(np.array([0])), images[:, :, ::-1, ::-1])


def test_no_slots_give_no_images(make):
    assert make(2).get(np.empty(0, np.int64)).shape == (0, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize(
    "image",
    [np.zeros((1, 1, 3), np.uint8), np.zeros((WIDTH, HEIGHT, 3), np.uint8), np.zeros((HEIGHT, WIDTH, 3), np.float32)],
    ids=["would broadcast", "transposed", "not bytes"],
)
def test_an_image_that_does_not_fit_is_refused(make, image):
    with pytest.raises(SpecError, match=r"uint8 \(5, 7, 3\), got"):
        make(2).put(0, image)


def test_what_plain_images_take():
    assert make_frame_store("raw", 10, 4, 6).nbytes == 10 * 4 * 6 * 3


def test_compressed_images_take_what_the_present_ones_take():
    store = CompressedFrames(3, 64, 64)
    noise, flat = random_images(1, 64, 64)[0], np.full((64, 64, 3), 7, np.uint8)
    assert store.nbytes == 0
    store.put(0, flat)
    small = store.nbytes
    assert 0 < small < 200
    store.put(1, noise)
    assert store.nbytes > 0.9 * noise.nbytes
    store.put(1, flat)
    assert store.nbytes == 2 * small


def test_the_difference_of_rows_packs_what_zstd_alone_cannot():
    # the same noise in every row: zstd finds it, too; so each row is shifted in brightness
    row = np.random.default_rng(0).integers(0, 256, (1, 64, 3), np.uint8)
    image = row + np.arange(64, dtype=np.uint8)[:, np.newaxis, np.newaxis]
    store = CompressedFrames(1, 64, 64)
    store.put(0, image)
    assert store.nbytes < 0.1 * image.nbytes
    assert np.array_equal(store.get(np.array([0]))[0], image)


def test_a_file_has_holes_where_nothing_was_put_and_no_name(tmp_path):
    store = make_frame_store("disk", 10_000, 64, 64, tmp_path / "new")
    store.put(9_999, random_images(1, 64, 64)[0])
    assert 64 * 64 * 3 <= store.nbytes < 100 * 64 * 64 * 3
    assert list((tmp_path / "new").iterdir()) == []


def test_a_file_is_closed_when_its_store_goes(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    store = make_frame_store("disk", 2, 4, 4, tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del store
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("slot", [-1, 3])
def test_a_file_refuses_slots_outside(tmp_path, slot):
    array = FileArray(tmp_path, 3, (2,), np.float16)
    with pytest.raises(IndexError, match=r"\[0, 2\]"):
        array[np.array([slot])]
    with pytest.raises(IndexError, match=r"\[0, 2\]"):
        array[np.array([slot])] = np.zeros((1, 2), np.float16)


def test_a_file_refuses_items_of_another_shape(tmp_path):
    with pytest.raises(SpecError, match=r"\(2, 4\), got \(1, 4\)"):
        FileArray(tmp_path, 3, (4,), np.float16)[np.array([0, 1])] = np.zeros((1, 4), np.float16)


def test_a_directory_that_cannot_be_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="file"):
        make_frame_store("disk", 2, 4, 4, tmp_path / "file" / "below")


def test_a_kind_that_does_not_exist_lists_those_that_do():
    with pytest.raises(UnknownNameError, match="compressed, disk, raw"):
        make_frame_store("jpeg", 2, 4, 4)


def test_a_directory_belongs_to_disk_alone(tmp_path):
    with pytest.raises(ConfigError, match="none was given"):
        make_frame_store("disk", 2, 4, 4)
    with pytest.raises(ConfigError, match="for 'raw'"):
        make_frame_store("raw", 2, 4, 4, tmp_path)
