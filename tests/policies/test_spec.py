"""What a policy is told of its environment, and how it says that another one is not its own."""

import dataclasses
import json

import numpy as np
import pytest

from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec


def make_environment(action_size=7, rate_hz=20.0, pose_size=7, names=("pose", "wrench"), images=None):
    sizes = {"pose": pose_size, "wrench": 6}
    proprio = {name: ArraySpec(name, (sizes[name],), np.float32) for name in names}
    images = {"wrist": 32, "side": 32} if images is None else images
    pictures = {name: ArraySpec(name, (size, size, 3), np.uint8, 0, 255) for name, size in images.items()}
    return EnvironmentSpec(ObservationSpec(proprio, pictures), action_size, 100, rate_hz)


def test_the_last_of_seven_actions_has_two_values_and_the_others_are_rates():
    spec = BasePolicySpec.from_environment(make_environment())
    assert spec.proprio == (("pose", 7), ("wrench", 6))
    assert (spec.proprio_size, spec.action_size, spec.rate_hz) == (13, 7, 20.0)
    assert spec.discrete == (6,)
    assert spec.rates == (0, 1, 2, 3, 4, 5)
    assert (spec.cameras, spec.observation_steps, spec.horizon, spec.past) == ((), 2, 16, 1)


def test_six_actions_are_rates_without_a_gripper():
    spec = BasePolicySpec.from_environment(make_environment(action_size=6))
    assert spec.discrete == ()
    assert spec.rates == (0, 1, 2, 3, 4, 5)


def test_two_actions_are_neither_rates_nor_a_gripper():
    spec = BasePolicySpec.from_environment(make_environment(action_size=2))
    assert (spec.action_size, spec.discrete, spec.rates) == (2, (), ())


def test_cameras_and_sizes_are_taken_over():
    spec = BasePolicySpec.from_environment(make_environment(), ("side",), horizon=8, past=3, observation_steps=4)
    assert (spec.cameras, spec.image_size_px) == (("side",), 32)
    assert (spec.horizon, spec.past, spec.observation_steps) == (8, 3, 4)


def test_a_camera_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(ConfigError, match="no camera 'top'; there are: wrist, side"):
        BasePolicySpec.from_environment(make_environment(), ("wrist", "top"))
    with pytest.raises(ConfigError, match="there are: none"):
        BasePolicySpec.from_environment(make_environment(images={}), ("top",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observation_steps": 0}, "observation_steps must be at least 1, got 0"),
        ({"past": -1}, "past must be from 0 to horizon - 1 = 15, got -1"),
        ({"past": 16}, "got 16"),
        ({"horizon": 0, "past": 0}, "= -1, got 0"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        BasePolicySpec.from_environment(make_environment(), **change)


# ------------------------------------------------------------------------------------ stored


@pytest.mark.parametrize("action_size", [2, 7])
def test_what_is_stored_comes_back(action_size):
    spec = BasePolicySpec.from_environment(make_environment(action_size), ("side", "wrist"), horizon=8, past=2)
    stored = dataclasses.asdict(spec)
    assert BasePolicySpec.from_json(stored) == spec
    assert BasePolicySpec.from_json(json.loads(json.dumps(stored))) == spec


def test_a_field_that_is_missing_or_unknown_is_named():
    stored = dataclasses.asdict(BasePolicySpec.from_environment(make_environment()))
    without = {name: value for name, value in stored.items() if name != "rate_hz"}
    with pytest.raises(CheckpointError, match=r"missing are \['rate_hz'\], unknown are \[\]"):
        BasePolicySpec.from_json(without)
    with pytest.raises(CheckpointError, match=r"missing are \['rate_hz'\], unknown are \['hertz'\]"):
        BasePolicySpec.from_json({**without, "hertz": 20.0})
    with pytest.raises(CheckpointError, match=r"missing are \[\], unknown are \['extra'\]"):
        BasePolicySpec.from_json({**stored, "extra": 1})


# ------------------------------------------------------------------------------------ another environment


def test_its_own_environment_is_accepted_also_with_more_cameras():
    BasePolicySpec.from_environment(make_environment(), ("wrist",), horizon=8).check_environment(make_environment())
    more = make_environment(images={"wrist": 32, "side": 64, "top": 8})
    BasePolicySpec.from_environment(make_environment(), ("wrist",)).check_environment(more)
    BasePolicySpec.from_environment(make_environment()).check_environment(make_environment(images={}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose_size": 6}, r"proprio=\(\('pose', 7\), .* has \(\('pose', 6\), "),
        ({"names": ("wrench", "pose")}, r"proprio=\(\('pose', 7\), .* has \(\('wrench', 6\), "),
        ({"names": ("pose",)}, r"proprio=.* has \(\('pose', 7\),\): was it trained on another task"),
        ({"action_size": 6}, "action_size=7, this environment has 6"),
        ({"rate_hz": 10.0}, r"rate_hz=20\.0, this environment has 10\.0"),
        ({"images": {"side": 32}}, r"camera 'wrist' of 32 px, this environment has \{'side': 32\}"),
        ({"images": {"wrist": 64}}, r"camera 'wrist' of 32 px, this environment has \{'wrist': 64\}"),
        ({"images": {}}, "camera 'wrist' of 32 px, this environment has no camera"),
    ],
)
def test_another_environment_is_refused_by_what_differs(change, message):
    spec = BasePolicySpec.from_environment(make_environment(), ("wrist",))
    with pytest.raises(CheckpointError, match=message):
        spec.check_environment(make_environment(**change))
