"""Tokens, batches and the end of training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from robot_rl.agents.encoders import make_backbone
from robot_rl.errors import ConfigError, DivergenceError, SpecError
from robot_rl.rewards.classifier import ClassifierSpec
from robot_rl.runtime.classifier.config import FitConfig
from robot_rl.runtime.classifier.file import make_network
from robot_rl.runtime.classifier.fit import BalancedDraw, balanced_loss, compute_logits, fit
from robot_rl.runtime.classifier.labels import Part
from robot_rl.runtime.classifier.samples import Gatherer, Samples
from tests.rewards.synthetic import CAMERAS, SIZE_PX, make_episode

SPEC = ClassifierSpec(CAMERAS, SIZE_PX)


def make_samples(marks, is_hard=None, copies=2, seed=0):
    """Samples of random tokens whose mean says the marks."""
    marks = torch.tensor(marks, dtype=torch.float32)
    tokens = torch.randn(len(marks), copies, 2, 4, 128, generator=torch.Generator().manual_seed(seed))
    tokens += marks[:, :1, None, None, None]
    hard = np.zeros(len(marks), bool) if is_hard is None else np.array(is_hard)
    return Samples(tokens.half(), marks, np.arange(len(marks)), hard, [""] * len(marks), None)


def gather(backbone, copies=3):
    gatherer = Gatherer(SPEC, backbone, copies, crop_pad_px=4, seed=0)
    episodes = [make_episode(np.random.default_rng(k), is_success=True) for k in range(3)]
    for number, (part, episode) in enumerate(zip(Part, episodes, strict=True)):
        marks = np.zeros((3, 1), np.float32)
        marks[-1] = 1.0
        gatherer.add(part, episode, number, np.array([0, 2, 6]), marks, "here")
    return episodes, gatherer.finish()


def test_tokens_are_the_backbone_s_once_an_image_and_shifted_copies_are_for_learning_only():
    torch.manual_seed(0)
    backbone = make_backbone("small_cnn", SIZE_PX)
    seen = []
    backbone.register_forward_hook(lambda module, given, made: seen.append(len(given[0])))
    episodes, parts = gather(backbone)
    assert sum(seen) == 3 * 2 * (3 + 1 + 1), "time steps x cameras x copies, each once"
    for part, episode in zip(Part, episodes, strict=True):
        samples = parts[part]
        assert samples.tokens.shape == (3, 3 if part is Part.TRAINING else 1, 2, 4, 128)
        for k, name in enumerate(CAMERAS):
            with torch.no_grad():
                expected = backbone(torch.from_numpy(episode.images[name][[0, 2, 6]])).half()
            assert torch.allclose(samples.tokens[:, 0, k], expected, atol=1e-2)
    copies = parts[Part.TRAINING].tokens
    assert not torch.allclose(copies[:, 0], copies[:, 1], atol=1e-2)
    assert not torch.allclose(copies[:, 1], copies[:, 2], atol=1e-2)
    assert parts[Part.TEST].thumbnails.shape == (3, SIZE_PX, 2 * SIZE_PX, 3)
    assert parts[Part.TEST].titles == ["here step 0", "here step 2", "here step 6"]


def test_an_episode_is_known_again_by_what_is_in_it():
    gatherer = Gatherer(SPEC, make_backbone("small_cnn", SIZE_PX), 1, 4, 0)
    one, other = (make_episode(np.random.default_rng(k), is_success=True) for k in range(2))
    assert [gatherer.is_new(episode) for episode in (one, other, one, other)] == [True, True, False, False]
    assert not gatherer.is_new(replace(one, stamps_ns=one.stamps_ns + 1)), "recorded again at another time"
    assert gatherer.is_new(replace(one, images={**one.images, "side": other.images["side"]}))


def test_images_of_another_size_are_refused():
    gatherer = Gatherer(ClassifierSpec(CAMERAS, 64), make_backbone("small_cnn", 64), 1, 4, 0)
    with pytest.raises(SpecError, match="uint8"):
        gatherer.add(
            Part.TEST, make_episode(np.random.default_rng(0)), 0, np.array([0]), np.zeros((1, 1), np.float32), ""
        )


@pytest.mark.parametrize("mark", [0.0, 1.0])
def test_a_part_with_one_kind_of_images_is_refused(mark):
    gatherer = Gatherer(SPEC, make_backbone("small_cnn", SIZE_PX), 1, 4, 0)
    episode = make_episode(np.random.default_rng(0))
    for part in Part:
        marks = np.array([[0.0], [1.0]] if part is not Part.VALIDATION else [[mark], [mark]], np.float32)
        gatherer.add(part, episode, 0, np.array([0, 1]), marks, "")
    with pytest.raises(ConfigError, match=f"validation part .* {'no image that shows' if not mark else 'does not'}"):
        gatherer.finish()


def test_half_of_a_batch_is_marked_every_output_as_often_and_a_share_is_hard():
    marks = [[1, 0]] * 2 + [[0, 1]] * 50 + [[0, 0]] * 500
    draw = BalancedDraw(make_samples(marks, [False] * 542 + [True] * 10), FitConfig(batch_size=80, hard_share=0.25), 0)
    rows, copies = (np.stack(values) for values in zip(*[draw.draw() for _ in range(100)], strict=True))
    assert rows.shape == copies.shape == (100, 80)
    assert (rows[:, :40] < 52).all()
    assert (rows[:, 40:] >= 52).all()
    assert (rows[:, :40] < 2).mean() == pytest.approx(0.5, abs=0.03)
    assert ((rows[:, 40:] >= 542).sum(axis=1) == 10).all()
    assert set(np.unique(copies)) == {0, 1}


def test_without_plain_samples_marked_ones_of_other_outputs_take_their_place():
    draw = BalancedDraw(make_samples([[1, 0]] * 5 + [[1, 1]] * 5), FitConfig(batch_size=20), 0)
    assert len(draw.draw()[0]) == 20


def test_both_kinds_weigh_the_same_by_hand():
    logits = torch.tensor([[0.0], [0.0], [0.0], [np.log(3.0)]])
    marks = torch.tensor([[0.0], [0.0], [0.0], [1.0]])
    assert balanced_loss(logits, marks) == pytest.approx(0.5 * np.log(2.0) + 0.5 * np.log(4.0 / 3.0))


def make(seed=0, learning_rate=1e-3, **values):
    torch.manual_seed(seed)
    network = make_network(SPEC, make_backbone("small_cnn", SIZE_PX), 0.1)
    config = FitConfig(**{"batch_size": 32, "learning_rate": learning_rate, "evaluate_every": 5, **values})
    return network, config


def test_training_ends_when_held_out_episodes_get_no_better_and_keeps_the_best():
    training = make_samples([[1]] * 20 + [[0]] * 60)
    validation = make_samples([[0]] * 20 + [[1]] * 20, seed=9)
    validation.tokens[:20] += 1.0  # labels the wrong way round: each update makes it worse
    validation.tokens[20:] -= 1.0
    network, config = make(max_updates=500, patience=3)
    looks = []
    fitted = fit(network, CAMERAS, training, validation, config, 0, lambda *look: not looks.append(look))
    assert [update for update, _ in looks] == [5, 10, 15, 20], "the first is the best, then three in vain"
    assert (fitted.updates, fitted.loss) == looks[0]
    assert balanced_loss(compute_logits(network, CAMERAS, validation), validation.marks) == pytest.approx(fitted.loss)


def test_it_learns_and_a_listener_may_end_it():
    training, validation = make_samples([[1]] * 20 + [[0]] * 60), make_samples([[1]] * 20 + [[0]] * 60, seed=9)
    network, config = make(max_updates=40)
    before = balanced_loss(compute_logits(network, CAMERAS, validation), validation.marks)
    fitted = fit(network, CAMERAS, training, validation, config, 0)
    assert fitted.loss < 0.1 < before
    assert len(fitted.losses) == 8
    ended = fit(make()[0], CAMERAS, training, validation, config, 0, lambda update, _: update < 10)
    assert len(ended.losses) == 2


def test_what_leaves_the_finite_numbers_is_an_error():
    samples = make_samples([[1]] * 20 + [[0]] * 60)
    network, config = make(learning_rate=1e30)
    with pytest.raises(DivergenceError, match="validation loss"):
        fit(network, CAMERAS, samples, samples, config, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 3},
        {"batch_size": 0},
        {"patience": 0},
        {"learning_rate": 0.0},
        {"dropout": 1.0},
        {"hard_share": 1.0},
    ],
)
def test_wrong_values_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        FitConfig(**values)
