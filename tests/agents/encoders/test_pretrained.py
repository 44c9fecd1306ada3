import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from robot_rl.agents.encoders.backbone import SIZE_STEP_PX
from robot_rl.agents.encoders.flax_pickle import WeightsError, load_flax_pickle
from robot_rl.agents.encoders.pretrained import convert, default_path, load_pretrained
from robot_rl.agents.encoders.resnet10 import ResNet10
from robot_rl.errors import SetupError
from tests.agents.encoders.published_resnet import forward, make_parameters, write_pickle


@pytest.fixture(scope="module")
def tree():
    return make_parameters()


@pytest.fixture
def published(tree, tmp_path, monkeypatch):
    return write_pickle(tmp_path / "resnet10_params.pkl", tree, monkeypatch)


def test_the_file_of_these_tests_has_the_make_up_of_the_published_one(published):
    assert published.stat().st_size == 21_677_915


@pytest.mark.parametrize("size_px", [64, 96])
def test_converted_weights_give_the_numbers_of_the_original(tree, published, tmp_path, size_px):
    network = ResNet10(size_px)
    network.load_state_dict(load_pretrained(convert(published, tmp_path / "resnet10.safetensors")))
    image = np.random.default_rng(1).integers(0, 256, (size_px, size_px, 3), np.uint8)
    with torch.no_grad():
        tokens = network(torch.from_numpy(image)[None])[0].numpy()
    expected = forward(tree, image)
    assert expected.std() > 0.1
    np.testing.assert_allclose(tokens, expected.reshape(-1, 512), rtol=1e-3, atol=1e-4)


def test_arrays_keep_their_values_and_their_path(tree, published):
    arrays = load_flax_pickle(published)
    assert len(arrays) == 38
    np.testing.assert_array_equal(
        arrays["ResNetBlock_2/conv_proj/kernel"], tree["ResNetBlock_2"]["conv_proj"]["kernel"]
    )


def test_plain_numpy_arrays_are_read_too(tree, tmp_path):
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps({"a": {"b": np.asfortranarray(tree["conv_init"]["kernel"])}}, protocol=4))
    np.testing.assert_array_equal(load_flax_pickle(path)["a/b"], tree["conv_init"]["kernel"])


@pytest.mark.parametrize("has_wrappers", [True, False])
def test_the_hubs_names_are_understood(published, tmp_path, has_wrappers):
    ours = load_pretrained(published)
    parts = {"conv_0": "conv1", "conv_1": "conv2", "norm_0": "norm1", "norm_1": "norm2"}
    parts |= {"conv_proj": "shortcut.0", "norm_proj": "shortcut.1"}
    hub = {}
    for name, value in ours.items():
        *path, leaf = name.split(".")
        wrapper = ("conv." if "conv" in path[-1] else "group_norm.") if has_wrappers else ""
        if path[0] == "blocks":
            hub[f"encoder.stages.{path[1]}.{parts[path[2]]}.{wrapper}{leaf}"] = value
        else:  # the first convolution never had one
            hub["embedder.0.weight" if path[0] == "conv_init" else f"embedder.1.{wrapper}{leaf}"] = value
    save_file(hub, tmp_path / "model.safetensors")
    renamed = load_pretrained(tmp_path / "model.safetensors")
    assert renamed.keys() == ours.keys()
    assert all(torch.equal(renamed[name], ours[name]) for name in ours)


def test_weights_are_looked_for_in_the_users_cache(published, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(
        SetupError, match=r"resnet10_params\.pkl \(sha256 17.*\) and run: robot-rl convert-enc"
    ) as caught:
        load_pretrained()
    assert str(tmp_path / "cache" / "robot_rl" / "resnet10.safetensors") in str(caught.value)
    written = convert(published)
    assert written == default_path() == tmp_path / "cache" / "robot_rl" / "resnet10.safetensors"
    assert os.listdir(written.parent) == ["resnet10.safetensors"]
    assert load_pretrained().keys() == load_file(written).keys()


def test_without_the_variable_the_cache_is_in_the_home(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_path() == Path.home() / ".cache" / "robot_rl" / "resnet10.safetensors"


def test_an_explicit_path_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(SetupError, match=r"no weights of ResNet-10 at .*mine\.safetensors"):
        load_pretrained(tmp_path / "mine.safetensors")
    with pytest.raises(SetupError, match=r"there is no file .*mine\.pkl"):
        convert(tmp_path / "mine.pkl")


class Call:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def assert_refused(path, content, match, protocol=4):
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, protocol))
    target = path.with_name("converted.safetensors")
    with pytest.raises(WeightsError, match=match):
        convert(path, target)
    assert not target.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_calls_something_is_refused_before_it_does(tmp_path, protocol):
    made = tmp_path / "made"
    assert_refused(
        tmp_path / "a.pkl", {"conv_init": Call(os.mkdir, str(made))}, "asks for posix.mkdir, which no", protocol
    )
    assert not made.exists()
    assert_refused(tmp_path / "a.pkl", {"conv_init": Call(eval, "1 + 1")}, "eval, which no weights need", protocol)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (np.zeros(2, np.float64), "must be float32 .* array of 'f8'"),
        (np.array([{}], object), "array of 'O8'"),
        (np.zeros(2, ">f4"), "little-endian"),
        (np.float32(1.0), "asks for numpy"),
        ([1.0], "conv_init must be an array, got list"),
        (Call(np.dtype, "f4"), "conv_init must be an array"),
    ],
)
def test_anything_but_float32_arrays_is_refused(tmp_path, value, match):
    assert_refused(tmp_path / "a.pkl", {"conv_init": value}, match)


def test_a_damaged_pickle_is_refused(published):
    whole = published.read_bytes()
    for content in (b"", b"not a pickle", whole[:100], whole[:-1000], b"\x80\x04\x95" + 8 * b"\xff"):
        assert_refused(published, content, "is not a complete pickle")
    assert_refused(published, [1, 2], "must hold a nested mapping of arrays, got list")


def test_a_pickle_that_holds_itself_is_refused(tmp_path):
    tree = {}
    tree["conv_init"] = tree
    assert_refused(tmp_path / "a.pkl", tree, "is not a complete pickle: maximum recursion depth")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(tree, tmp_path, bad):
    kernel = tree["conv_init"]["kernel"].copy()
    kernel[1, 2, 0, 3] = bad
    message = r"conv_init\.weight holds numbers that are not finite"
    assert_refused(tmp_path / "a.pkl", {**tree, "conv_init": {"kernel": kernel}}, message)
    state = ResNet10(SIZE_STEP_PX).state_dict()
    state["conv_init.weight"][0, 0, 0, 0] = bad
    assert_refused(tmp_path / "a.safetensors", save(state), message)


def test_weights_of_another_precision_become_float32_where_it_can_hold_them(tmp_path):
    state = ResNet10(SIZE_STEP_PX).state_dict()
    name = "norm_init.bias"
    for precision in (torch.bfloat16, torch.float64):
        save_file(state | {name: state[name].to(precision) + 0.5}, tmp_path / "a.safetensors")
        written = load_file(convert(tmp_path / "a.safetensors", tmp_path / "converted.safetensors"))
        assert {value.dtype for value in written.values()} == {torch.float32}
        assert written[name].unique().tolist() == [0.5]
        (tmp_path / "converted.safetensors").unlink()
    too_big = save(state | {name: torch.full((64,), 1e300, dtype=torch.float64)})
    assert_refused(tmp_path / "a.safetensors", too_big, r"norm_init\.bias holds numbers that are not finite in float32")
    whole = save(state | {name: torch.ones(64, dtype=torch.int64)})
    assert_refused(tmp_path / "a.safetensors", whole, r"norm_init\.bias must be of floating-point numbers, got .*int64")


def test_a_target_that_cannot_be_written_is_named_and_nothing_is_left(published, tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    for target in (folder, published / "below" / "a.safetensors"):
        with pytest.raises(SetupError, match=rf"{target} cannot be written"):
            convert(published, target)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["resnet10_params.pkl", "taken"]


def test_another_network_is_refused_with_what_is_missing_and_unknown(tree, tmp_path):
    wide = {**tree, "conv_init": {"kernel": np.zeros((5, 5, 3, 64), np.float32)}}
    assert_refused(
        tmp_path / "a.pkl",
        wide,
        r"missing are \['conv_init.weight \(64, 3, 7, 7\)'\], unknown are \['conv_init.weight \(64, 3, 5, 5\)'\]",
    )
    less = {name: value for name, value in tree.items() if name != "norm_init"}
    assert_refused(tmp_path / "a.pkl", less, r"missing are \['norm_init.bias \(64,\)', 'norm_init.weight \(64,\)'\]")


def test_other_files_are_refused(tmp_path):
    assert_refused(tmp_path / "a.npz", b"", r"must be a \.pkl \(Flax\) or \.safetensors \(PyTorch\) file")
    assert_refused(tmp_path / "a.safetensors", b"\x05", "is not a complete safetensors file")
