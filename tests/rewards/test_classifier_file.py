"""A classifier on the disk: whole, or refused with a reason."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from robot_rl.agents.encoders import make_backbone
from robot_rl.errors import CheckpointError, ConfigError, SetupError
from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.classifier import ClassifierSpec, SuccessClassifier
from robot_rl.runtime.classifier import file as classifier_file
from robot_rl.runtime.classifier.file import load_about, load_classifier, make_network, save_classifier
from tests.rewards.synthetic import CAMERAS, SIZE_PX, make_image

KEY = "robot_rl.success_classifier"


def make_classifier(seed=0):
    torch.manual_seed(seed)
    spec = ClassifierSpec(CAMERAS, SIZE_PX, ("picked", "inserted"), has_lost=True)
    backbone = make_backbone("small_cnn", SIZE_PX)
    calibrations = [Calibration(2.5, -0.75, 0.6 + 0.1 * k) for k in range(3)]
    return SuccessClassifier(spec, backbone, make_network(spec, backbone, 0.1), calibrations)


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "new folder" / "c.safetensors"
    save_classifier(target, make_classifier(), "small_cnn", {"revision": "abc", "figures": {"recall": 0.5}})
    return target


def rewrite(path, change):
    """Change the header of a file and leave its tensors."""
    with classifier_file.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[KEY])
    change(header)
    save_file(load_file(path), path, {KEY: json.dumps(header)})


def test_what_was_written_comes_back_bit_for_bit(path):
    images = {name: make_image(np.random.default_rng(1)) for name in CAMERAS}
    before, after = make_classifier(), load_classifier(path)
    assert after.spec == before.spec
    assert after.calibrations == before.calibrations
    assert after(images).tolist() == before(images).tolist()
    assert load_about(path) == {"revision": "abc", "figures": {"recall": 0.5}}


def test_another_size_of_images_comes_back_too(tmp_path):
    spec = ClassifierSpec(("top",), 64)
    backbone = make_backbone("resnet10", 64)
    classifier = SuccessClassifier(spec, backbone, make_network(spec, backbone, 0.0), [Calibration()])
    save_classifier(tmp_path / "c.safetensors", classifier, "resnet10", {})
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    assert load_classifier(tmp_path / "c.safetensors")({"top": image}).tolist() == classifier({"top": image}).tolist()


def test_nothing_in_it_is_pickled(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    assert set(json.loads(content[8 : 8 + size])) > {"__metadata__", "backbone.layers.0.weight"}
    assert b"torch" not in content[: 8 + size]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_torn_file_is_refused(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match="torn"):
        load_classifier(path)


def test_a_foreign_file_is_refused(path):
    path.write_bytes(b"\x80\x04\x95 this is a pickle, perhaps")
    with pytest.raises(CheckpointError, match="torn, or no safetensors file"):
        load_classifier(path)
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match="no success classifier"):
        load_classifier(path)
    save_file({"weight": torch.zeros(3)}, path, {KEY: "{"})
    with pytest.raises(CheckpointError, match="header"):
        load_classifier(path)
    save_file({"weight": torch.zeros(3)}, path, {KEY: "[]"})
    with pytest.raises(CheckpointError, match="header"):
        load_classifier(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda header: header.update(format=2), "of format 2"),
        (lambda header: header.pop("spec"), "damaged: 'spec'"),
        (lambda header: header["spec"].update(cameras=[]), "camera"),
        (lambda header: header["spec"].update(cameras=["wrist", "top"]), "heads.top"),
        (lambda header: header["spec"].update(image_size_px=64), "size mismatch"),
        (lambda header: header["spec"].update(stages=["success"]), "size mismatch"),
        (lambda header: header.update(backbone="vit"), "Missing key"),
        (lambda header: header.update(backbone="eye"), "Unknown backbone 'eye'"),
        (lambda header: header["calibrations"].pop(), "a calibration each, got 2"),
        (lambda header: header["calibrations"][0].update(temperature=-1.0), "temperature must be positive"),
        (lambda header: header["calibrations"][0].update(thershold=0.5), "thershold"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(path, change, said):
    rewrite(path, change)
    with pytest.raises(CheckpointError) as error:
        load_classifier(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_weights_that_are_no_numbers_are_refused(path):
    tensors = load_file(path)
    tensors["network.output.bias"][1] = float("nan")
    with classifier_file.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError, match="not finite"):
        load_classifier(path)


def test_where_there_is_none_it_says_how_to_make_one(tmp_path):
    with pytest.raises(SetupError, match="robot-rl train-classifier"):
        load_classifier(tmp_path / "nothing.safetensors")


def test_a_write_that_fails_leaves_what_was_there(path, monkeypatch):
    before = path.read_bytes()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(ConfigError, match="No space left"):
        save_classifier(path, make_classifier(1), "small_cnn", {})
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
