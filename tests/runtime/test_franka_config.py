"""What the configuration tells the drivers of arm and hand is what they can be told."""

from dataclasses import asdict

from robot_rl_hardware.franka.settings import ROBOTS, ArmSettings, HandSettings

from robot_rl.env.task import EpisodeConfig
from robot_rl.runtime.franka_config import FrankaArmConfig, FrankaConfig, FrankaHandConfig

TOLD_BY_OTHERS = {"host", "robot", "preset", "period_s", "is_lock_step", "force_limit_n", "rotor_inertia_kg_m2"}


def test_the_arms_settings_are_those_of_its_driver():
    """A driver used alone is stricter: in the graph the task says how much force it needs."""
    ours, theirs = asdict(FrankaArmConfig()), asdict(ArmSettings())
    assert set(theirs) - set(ours) == TOLD_BY_OTHERS
    assert {name for name in ours if ours[name] != theirs[name]} == {"force_thresholds"}
    ArmSettings(force_limit_n=EpisodeConfig().max_force_n, **ours)


def test_the_hands_settings_are_those_of_its_driver():
    ours, theirs = asdict(FrankaHandConfig()), asdict(HandSettings())
    assert ours == {name: theirs[name] for name in ours}
    assert set(theirs) - set(ours) == {"host", "robot"}


def test_the_address_and_the_robot_are_those_of_its_driver():
    assert FrankaConfig().host == ArmSettings().host == HandSettings().host
    assert FrankaConfig().robot in ROBOTS
