"""The configuration of somebody else's controller refuses nonsense in one line."""

import pytest

from robot_rl import config as configuration
from robot_rl.errors import ConfigError
from robot_rl.runtime.config import RecordConfig
from robot_rl.runtime.external_config import ExternalConfig


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"target_topic": ""}, "target_topic must not be empty"),
        ({"wrench_topic": ""}, "wrench_topic must not be empty"),
        ({"joints_topic": "joint_states"}, "our own controller's node"),
        ({"joints": ("a",) * 7}, "7 different names"),
        ({"joints": tuple("abcdef")}, "7 different names"),
        ({"max_age_s": 0.0}, "max_age_s must be positive, got 0.0 s"),
        ({"rate_hz": float("inf")}, "rate_hz must be positive"),
        ({"patience_s": float("nan")}, "patience_s must be positive"),
        ({"clock_offset_s": float("nan")}, "clock_offset_s must be finite"),
        ({"recovery_type": "ErrorRecovery"}, "PACKAGE/action/NAME, got 'ErrorRecovery'"),
        ({"recovery_type": "franka_msgs/srv/SetLoad"}, "std_srvs/srv/Trigger or"),
        ({"presets": {"stiff": (-1.0,)}, "stiffness_topic": "k"}, "presets.stiff must be numbers from 0"),
        ({"presets": {"stiff": (100.0,)}}, "stiffness_topic is empty"),
    ],
)
def test_nonsense_is_refused(values, message):
    with pytest.raises(ConfigError, match=message) as raised:
        ExternalConfig(**values)
    assert "\n" not in str(raised.value)


def test_without_a_recovery_its_type_does_not_matter():
    assert ExternalConfig(recovery="", recovery_type="").recovery == ""


def check(*words):
    configuration.load(RecordConfig, "record", ("task.place.target_m=[0.5,0.0,0.05]", *words)).check_device()


def test_an_elbow_that_nobody_can_turn_is_not_to_be_turned():
    check("robot=fr3", "reset.posture_every=5")
    check("robot=external")
    with pytest.raises(ConfigError, match=r"robot=external .* needs reset\.posture_every=0, got 5"):
        check("robot=external", "reset.posture_every=5")
