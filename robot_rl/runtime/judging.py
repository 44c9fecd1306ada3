"""Makes the judge that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from robot_rl.env.judged_task import Judge, PersonsJudge
from robot_rl.errors import ConfigError
from robot_rl.rewards.classifier import ClassifierSpec
from robot_rl.rewards.reward import ClassifierReward
from robot_rl.robot.robot import RobotReading
from robot_rl.runtime.classifier.file import load_classifier
from robot_rl.runtime.config import EnvConfig, TrainConfig
from robot_rl.runtime.torch_device import find_device


def make_judge(config: EnvConfig) -> Judge | None:
    """Who judges instead of the task's own test; None where that does.

    Raises:
        ConfigError: the classifier does not go with the robot's cameras, with their pace, or with what is learned.
        SetupError, CheckpointError: the classifier's file is missing, or unreadable.
    """
    if config.reward.kind == "classifier":
        return make_classifier_reward(config)[0]
    return PersonsJudge() if config.reward.kind == "button" else None


def make_classifier_reward(config: EnvConfig) -> tuple[ClassifierReward[RobotReading], ClassifierSpec]:
    """The classifier of `reward.file` as a judge, and what it looks at.

    Raises:
        ConfigError: it does not go with the robot's cameras, with their pace, or with what is learned.
        SetupError, CheckpointError: the file is missing, or unreadable.
    """
    reward, robot = config.reward, config.robot
    classifier = load_classifier(Path(reward.file or ""), find_device(reward.device))
    spec = classifier.spec
    if not set(spec.cameras) <= set(robot.cameras) or spec.image_size_px != robot.image_size:
        raise ConfigError(
            f"the classifier {reward.file} looks at the cameras {list(spec.cameras)} with {spec.image_size_px} pixels, "
            f"and the robot has {list(robot.cameras)} with {robot.image_size}; "
            f"set robot.cameras and robot.image_size as they were when its data was recorded."
        )
    if isinstance(config, TrainConfig):
        _check_returns(config, spec)
    _check_pace(config, spec)
    return ClassifierReward(classifier, reward.debounce), spec


def _check_pace(config: EnvConfig, spec: ClassifierSpec) -> None:
    """Raise ConfigError where images come so seldom that none supports another: no stage would ever be paid."""
    debounce, rate_hz, key = config.reward.debounce, config.task.episode.rate_hz, "task.episode.rate_hz={:g}"
    if config.camera.is_device:  # in real time every image is judged
        rates_hz = sorted(device.rate_hz for device in config.camera.find(spec.cameras))
        _check_skew(config.reward.max_skew_s, rates_hz)
        rate_hz, key = rates_hz[0], "the rate_hz={:g} of a camera.realsense"
    if debounce.required > 1 and rate_hz * debounce.max_gap_s < 1.0:
        raise ConfigError(
            f"with {key.format(rate_hz)} images are farther apart than reward.debounce.max_gap_s="
            f"{debounce.max_gap_s:g} s: none supports another, and the classifier would pay nothing; raise one of them."
        )


def _check_skew(max_skew_s: float, rates_hz: Sequence[int]) -> None:
    """Raise ConfigError where the images of cameras that run freely may never count as of one moment.

    Beside an image of the slowest camera, one of another lies at most half its period away, on either side.

    Args:
        max_skew_s: how far apart they may be.
        rates_hz: of the cameras, the slowest first.
    """
    apart_s = sum(0.5 / rate_hz for rate_hz in rates_hz[1:3])
    if max_skew_s < apart_s:
        raise ConfigError(
            f"at {' and '.join(map(str, rates_hz))} Hz the images of the classifier's cameras may lie {apart_s:.3f} s "
            f"apart, and with reward.max_skew_s={max_skew_s:g} none would be judged then: raise it, or the rate_hz of "
            "camera.realsense."
        )


def _check_returns(config: TrainConfig, spec: ClassifierSpec) -> None:
    """Raise ConfigError where the values of what is learned are clipped below what the classifier pays."""
    agent = config.agent
    part = agent.corrector if agent.is_corrector else agent.rlpd
    if agent.name not in ("rlpd", "corrected") or part.return_range is None:
        return
    if part.return_range[1] < len(spec.stages):
        raise ConfigError(
            f"the classifier {config.reward.file} pays 1 for each of its stages {list(spec.stages)}, and values are "
            f"clipped to at most {part.return_range[1]:g}: set "
            f"agent.{'corrector' if agent.is_corrector else 'rlpd'}.return_range=[0,{len(spec.stages)}]."
        )
