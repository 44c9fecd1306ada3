"""Coming to rest: whatever pulled before is gone at once, and the torques stay smooth."""

import numpy as np
import pytest

from robot_rl.control.law import ImpedanceLaw
from robot_rl.control.presets import preset
from robot_rl.errors import SpecError
from robot_rl.geometry import Pose
from tests.control.arm_plant import ArmPlant

WALL_M = 0.002  # in front of the ball at the tool


def press_on_a_wall(name, ahead_m=0.3):
    """The target far inside the wall, so that the spring pushes with its whole budget."""
    law = ImpedanceLaw(name)
    start = ArmPlant(law).pose
    plant = ArmPlant(law, wall_x_m=start.position[0] + 0.005 + WALL_M)
    plant.step(600)  # the ramp
    law.set_target(Pose(start.position + [0.004, 0.0, 0.0], start.quaternion), 0.1)
    plant.step(2000)  # little enough of an error for the integral to add up
    law.set_target(Pose(start.position + [ahead_m, 0.0, 0.0], start.quaternion), 0.1)
    plant.step(2000)
    return plant


def force_on(plant):
    return np.linalg.norm(plant.data.efc_force)


@pytest.mark.parametrize("name", ["insertion", "precision"])
def test_a_push_is_gone_at_once_however_far_ahead_the_target_is(name):
    plant = press_on_a_wall(name)
    pushed_n = force_on(plant)
    assert pushed_n > 0.8 * preset(name).force_budget_n()[1, 0]
    plant.law.rest_at(plant.pose)
    for _ in range(150):
        before = plant.torque
        plant.step()
        assert force_on(plant) < 1.01 * pushed_n, "it pushes harder before it lets go"
        assert np.abs(plant.torque - before).max() <= preset(name).torque_step_nm + 1e-12
    assert force_on(plant) < 0.2 * pushed_n


def test_what_had_added_up_pushes_no_more():
    plant = press_on_a_wall("precision")
    state = plant.law.state_record
    assert state["integral_wrench"][0] > 1.0, "there is nothing to take away"
    pose = plant.pose
    plant.law.rest_at(pose)
    np.testing.assert_array_equal(state["integral_wrench"], 0.0)
    np.testing.assert_array_equal(state["shaped_twist"], 0.0)
    np.testing.assert_array_equal(plant.law.shaped_target.to_vector(), pose.to_vector())
    plant.step()
    np.testing.assert_array_equal(plant.law.shaped_target.position, pose.position)


def test_nowhere_is_no_place_to_rest_at():
    plant = press_on_a_wall("insertion")
    saved = plant.law.save()
    with pytest.raises(SpecError, match="rest at"):
        plant.law.rest_at(Pose(np.array([np.nan, 0.0, 0.3])))
    assert plant.law.save() == saved
