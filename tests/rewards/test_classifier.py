"""The network, and a trained classifier on its backbone; both are given their parts."""

import numpy as np
import pytest
import torch

from robot_rl.errors import ConfigError, SpecError
from robot_rl.rewards.calibration import Calibration, sigmoid
from robot_rl.rewards.classifier import ClassifierNetwork, ClassifierSpec, SuccessClassifier
from robot_rl.runtime.classifier.file import make_network
from tests.rewards.synthetic import CAMERAS, SIZE_PX, make_image


class MeanBackbone(torch.nn.Module):
    """One token an image: the mean of each channel, up to 1."""

    def forward(self, images):
        return images.float().mean((1, 2)).div(255.0)[:, None]


class Flat(torch.nn.Module):
    def forward(self, tokens):
        return tokens.float().flatten(1)


def make_classifier(spec=None, calibrations=None, outputs=1):
    torch.manual_seed(0)
    spec = spec or ClassifierSpec(CAMERAS, SIZE_PX)
    network = ClassifierNetwork({name: Flat() for name in spec.cameras}, 3, outputs, dropout=0.5)
    return SuccessClassifier(spec, MeanBackbone(), network, calibrations or [Calibration()] * outputs)


def make_images(seed=0, count=None):
    generator = np.random.default_rng(seed)
    if count is None:
        return {name: make_image(generator) for name in CAMERAS}
    return {name: np.stack([make_image(generator) for _ in range(count)]) for name in CAMERAS}


def test_one_moment_is_judged_as_in_a_batch():
    classifier, images = make_classifier(), make_images(count=5)
    together = classifier.predict(images)
    assert together.shape == (5, 1)
    alone = [classifier({name: image[k] for name, image in images.items()}) for k in range(5)]
    assert np.array(alone) == pytest.approx(together, abs=1e-6)
    assert np.ptp(together) > 0.0


def test_dropout_is_off_where_it_is_used_and_on_where_it_learns():
    classifier, images = make_classifier(), make_images()
    assert classifier(images).tolist() == classifier(images).tolist()
    classifier.network.train()
    assert classifier(images).tolist() != classifier(images).tolist()


def test_every_camera_is_seen_whatever_the_order_of_the_images():
    classifier, images = make_classifier(), make_images()
    reference = classifier(images)
    assert classifier(dict(reversed(images.items()))).tolist() == reference.tolist()
    for name in CAMERAS:
        assert classifier({**images, name: 255 - images[name]}).tolist() != reference.tolist()


def test_each_output_has_its_calibration():
    spec = ClassifierSpec(CAMERAS, SIZE_PX, ("picked", "inserted"), has_lost=True)
    calibrations = [Calibration(1.0, 0.0, 0.5), Calibration(2.0, 1.0, 0.6), Calibration(0.5, -1.0, 0.7)]
    plain, calibrated = make_classifier(spec, None, 3), make_classifier(spec, calibrations, 3)
    assert calibrated.outputs == ("picked", "inserted", "lost")
    assert calibrated.thresholds == (0.5, 0.6, 0.7)
    images = make_images()
    odds = plain(images)
    logits = np.log(odds / (1.0 - odds))
    expected = sigmoid(np.array([logits[0], logits[1] / 2.0 + 1.0, logits[2] / 0.5 - 1.0]))
    assert calibrated(images) == pytest.approx(expected, abs=1e-6)


def test_nothing_in_it_can_be_trained_any_more():
    classifier = make_classifier()
    assert not any(p.requires_grad for m in (classifier.backbone, classifier.network) for p in m.parameters())


def test_a_network_has_a_head_for_each_camera_and_no_proprioception():
    from robot_rl.agents.encoders import make_backbone

    backbone = make_backbone("small_cnn", SIZE_PX)
    network = make_network(ClassifierSpec(CAMERAS, SIZE_PX, ("a", "b")), backbone, 0.1)
    tokens = {name: torch.randn(4, backbone.places, backbone.channels).half() for name in CAMERAS}
    assert network(tokens).shape == (4, 2)
    assert set(network.heads) == set(CAMERAS)
    assert network.hidden.in_features == 2 * 256
    assert not any(name.startswith("backbone") for name in network.state_dict())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda images: {"wrist": images["wrist"]}, "['wrist', 'side'], got ['wrist']"),
        (lambda images: {"wrist": images["wrist"], "top": images["side"]}, "['wrist', 'side'], got ['wrist']"),
        (lambda images: {**images, "side": images["side"][:16]}, "images['side'] must be uint8 (32, 32, 3)"),
        (lambda images: {**images, "side": images["side"].astype(np.float32)}, "got float32"),
        (lambda images: {**images, "side": images["side"][None]}, "got uint8 (1, 32, 32, 3)"),
    ],
)
def test_other_images_are_refused(change, said):
    with pytest.raises(SpecError) as error:
        make_classifier()(change(make_images()))
    assert said in str(error.value)


def test_a_robot_may_have_more_cameras_than_are_looked_at():
    classifier, images = make_classifier(), make_images()
    more = {"top": images["side"], **images}
    np.testing.assert_array_equal(classifier(more), classifier(images))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"cameras": ()}, "camera"),
        ({"cameras": ("wrist", "wrist")}, "twice"),
        ({"stages": ()}, "stage"),
        ({"stages": ("a", "a")}, "twice"),
        ({"stages": ("lost",)}, "has_lost"),
    ],
)
def test_wrong_specs_are_refused(values, said):
    with pytest.raises(ConfigError, match=said):
        ClassifierSpec(**{"cameras": CAMERAS, "image_size_px": SIZE_PX, **values})


def test_as_many_calibrations_as_outputs():
    with pytest.raises(SpecError, match="a calibration each, got 2"):
        make_classifier(calibrations=[Calibration()] * 2)
