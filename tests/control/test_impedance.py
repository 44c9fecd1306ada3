"""Laws of the impedance law: agreement with the slow reference, its force budget, its guarantees."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from robot_rl.control.impedance import Status
from robot_rl.control.law import ImpedanceLaw
from robot_rl.control.presets import PRESETS, ImpedanceParameters, preset
from robot_rl.errors import SpecError, UnknownNameError
from robot_rl.geometry import Array, Pose
from tests.control.arm_plant import HOME, ArmPlant
from tests.control.reference_law import ReferenceLaw
from tests.control.test_kernels import mode_ratios

DT = 1e-3
# Every part that can be switched off is off: the spring and the damping alone, in force at once.
PLAIN = ImpedanceParameters(
    friction_ratio=0.0,
    friction_rest_ratio=0.0,
    joint_repulsion_nm=0.0,
    null_stiffness=(0.0,) * 7,
    torque_step_nm=1e6,
    torque_limit_nm=(1e6,) * 7,
    max_linear_speed_m_s=1e6,
    max_angular_speed_rad_s=1e6,
    gain_filter_s=0.0,
    clip_filter_s=0.0,
    ramp_s=0.0,
)
TOOL_DOWN = Rotation.from_rotvec([np.pi, 0.0, 0.0])


class Arm:
    """Measurements of an arm that stands still in a random, well-conditioned posture."""

    def __init__(self, rng: np.random.Generator, rotation: Rotation = TOOL_DOWN) -> None:
        self.q = HOME + rng.uniform(-0.2, 0.2, 7)
        self.qd = np.zeros(7)
        self.position = np.array([0.4, 0.0, 0.3])
        self.rotation = rotation.as_matrix()
        self.jacobian = rng.normal(size=(6, 7)) * 0.5
        root = rng.normal(size=(7, 7)) * 0.4
        self.mass = root @ root.T + 0.3 * np.eye(7)
        self.coriolis = np.zeros(7)
        self.previous = np.zeros(7)

    @property
    def pose(self) -> Pose:
        return Pose.from_matrix(self.rotation, self.position)

    def measured(self) -> tuple[Array, ...]:
        return (
            self.q, self.qd, self.position, self.rotation, self.jacobian, self.mass, self.coriolis, self.previous,
        )  # fmt: skip

    def law(self, parameters: str | ImpedanceParameters) -> ImpedanceLaw:
        law = ImpedanceLaw(parameters)
        law.start(self.q, self.pose)
        return law

    def wrench(self, law: ImpedanceLaw) -> Array:
        """Task wrench that this tick's torque makes: J^T w = torque in the least-squares sense."""
        torque = law.torque(*self.measured())
        return np.linalg.lstsq(self.jacobian.T, torque, rcond=None)[0]


def shifted(pose: Pose, linear=(0.0, 0.0, 0.0), angular=(0.0, 0.0, 0.0)) -> Pose:
    """Pose moved in base axes."""
    rotation = Rotation.from_rotvec(angular) * Rotation.from_quat(pose.quaternion)
    return Pose(pose.position + np.array(linear), rotation.as_quat())


def assert_same(torque: Array, expected: Array) -> None:
    assert np.linalg.norm(torque - expected) <= 1e-9 * max(np.linalg.norm(expected), 1.0)


# --- agreement with the reference -------------------------------------------------------------------------------


def variants() -> list[ImpedanceParameters]:
    """Every preset as it is, and with the other axes and parts that no preset uses."""
    full = {
        "compliance_axes": "tcp",
        "stiffness": (500.0, 900.0, 1500.0, 20.0, 30.0, 60.0),
        "damping_ratio": 0.7,
        "clip_lower": (-0.003, -0.002, -0.004, -0.02, -0.03, -0.04),
        "clip_upper": (0.002, 0.005, 0.003, 0.03, 0.02, 0.05),
        "integral_gain": (3e4,) * 3 + (3e3,) * 3,
        "integral_limit": (4.0, 5.0, 6.0, 0.5, 0.6, 0.7),
        "integral_max_speed": (1.0,) * 6,
        "feed_forward_wrench": (1.0, -2.0, 3.0, 0.1, 0.2, -0.3),
        "box_lower_m": (0.38, -0.01, 0.29),
        "box_upper_m": (0.42, 0.01, 0.31),
        "null_posture_rad": tuple(HOME),
        "ramp_s": 0.01,
        "torque_step_nm": 1e6,
        "torque_limit_nm": (1e6,) * 7,
    }
    by_velocity = dataclasses.replace(preset("insertion"), friction_rest_torque_nm=0.0)
    return [*PRESETS.values(), by_velocity, *(dataclasses.replace(p, **full) for p in PRESETS.values())]


@pytest.mark.parametrize("parameters", variants())
def test_agrees_with_the_reference_over_a_sequence(parameters):
    rng = np.random.default_rng(1)
    arm = Arm(rng, Rotation.random(rng=rng))
    law = arm.law(parameters)
    reference = ReferenceLaw(parameters, arm.q, arm.position, arm.rotation)
    seen = Status(0)
    for k in range(400):
        if k % 50 == 0:  # far enough to clip, slew and leave the box
            goal = shifted(arm.pose, rng.normal(size=3) * 0.03, rng.normal(size=3) * 0.2)
            duration_s = float(rng.choice([0.0, 0.05, 0.1]))
            law.set_target(goal, duration_s)
            reference.set_target(goal.position, goal.quaternion, duration_s)
        if k == 200:
            other = dataclasses.replace(parameters, stiffness=(700.0,) * 3 + (40.0,) * 3, damping_ratio=0.9)
            law.set_preset(other)
            reference.set_parameters(other)
        arm.jacobian = arm.jacobian + rng.normal(size=(6, 7)) * 0.01
        arm.mass = arm.mass + np.diag(rng.uniform(0.0, 1e-3, 7))
        arm.q = arm.q + rng.normal(size=7) * 0.002
        arm.qd, arm.coriolis = rng.normal(size=7) * 0.05, rng.normal(size=7)
        arm.position = arm.position + rng.normal(size=3) * 1e-4
        arm.rotation = (
            Rotation.from_rotvec(rng.normal(size=3) * 1e-3) * Rotation.from_matrix(arm.rotation)
        ).as_matrix()
        expected, flags = reference.tick(*arm.measured(), DT)
        torque = law.torque(*arm.measured(), DT)
        assert_same(torque, expected)
        assert law.status == flags
        seen |= flags
        arm.previous = torque
    assert seen  # the sequence reached the branches
    assert Status.ERROR_CLIPPED in seen or max(parameters.clip_upper[:3]) > 0.02
    assert np.allclose(law.state_record["integral_wrench"], reference.integral, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PRESETS)
def test_agrees_with_the_reference_from_random_postures(name):
    rng, parameters = np.random.default_rng(2), dataclasses.replace(preset(name), torque_step_nm=1e6, ramp_s=0.0)
    for _ in range(250):
        arm = Arm(rng, Rotation.random(rng=rng))
        arm.q, arm.qd = HOME + rng.uniform(-0.7, 0.7, 7), rng.normal(size=7) * 0.3
        law, reference = arm.law(parameters), ReferenceLaw(parameters, arm.q, arm.position, arm.rotation)
        goal = shifted(arm.pose, rng.normal(size=3) * 0.005, rng.normal(size=3) * 0.05)
        law.set_target(goal, 0.0)
        reference.set_target(goal.position, goal.quaternion, 0.0)
        for _ in range(2):
            expected, flags = reference.tick(*arm.measured(), DT)
            assert_same(law.torque(*arm.measured(), DT), expected)
            assert law.status == flags


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-4])
def test_agrees_with_the_reference_near_a_singularity(gap):
    arm = Arm(np.random.default_rng(3))
    arm.jacobian[5] = arm.jacobian[4] + gap * arm.jacobian[5]
    arm.qd = np.full(7, 0.1)
    law, reference = arm.law("insertion"), ReferenceLaw(preset("insertion"), arm.q, arm.position, arm.rotation)
    expected, flags = reference.tick(*arm.measured(), DT)
    torque = law.torque(*arm.measured(), DT)
    assert Status.NEAR_SINGULAR in law.status
    assert law.status == flags
    assert np.linalg.norm(torque - expected) <= 1e-9 * np.linalg.norm(expected)


def test_a_singular_posture_is_finite_and_bounded():
    arm = Arm(np.random.default_rng(3))
    arm.jacobian[5] = arm.jacobian[4]
    arm.qd = np.full(7, 0.1)
    law = arm.law(PLAIN)
    torque = law.torque(*arm.measured())
    assert law.status == Status.NEAR_SINGULAR
    assert np.all(np.isfinite(torque))
    assert np.abs(torque).max() < 1e3


# --- force budget ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", ["base", "tcp"])
@pytest.mark.parametrize("axis", range(6))
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_wrench_at_rest_is_stiffness_times_clip(axes, axis, sign):
    parameters = dataclasses.replace(
        PLAIN,
        compliance_axes=axes,
        clip_lower=(-0.001, -0.002, -0.003, -0.01, -0.02, -0.03),
        clip_upper=(0.004, 0.005, 0.006, 0.04, 0.05, 0.06),
    )
    rotation = Rotation.from_rotvec([0.4, 0.5, -0.6])
    arm = Arm(np.random.default_rng(4), rotation)
    law = arm.law(parameters)
    far = np.zeros(6)
    far[axis] = sign * (0.2 if axis < 3 else 1.0)
    turn = rotation.as_matrix() if axes == "tcp" else np.eye(3)
    law.set_target(shifted(arm.pose, turn @ far[:3], turn @ far[3:]), 0.0)
    wrench = arm.wrench(law)
    wrench = np.concatenate([turn.T @ wrench[:3], turn.T @ wrench[3:]])
    expected = np.zeros(6)
    expected[axis] = parameters.force_budget_n()[int(sign > 0)][axis]
    np.testing.assert_allclose(wrench, expected, atol=1e-9)
    assert law.status == Status.ERROR_CLIPPED


def test_budget_holds_in_contact_with_a_wall():
    law = ImpedanceLaw("insertion")
    free = ArmPlant(law)
    plant = ArmPlant(law, wall_x_m=float(free.pose.position[0]) + 0.006)
    plant.step(600)
    law.set_target(shifted(plant.pose, (0.05, 0.0, 0.0)), 0.2)
    plant.step(2500)
    assert Status.ERROR_CLIPPED in law.status
    constraint = plant.data.qfrc_constraint
    jacobian = plant.measure()[4]
    force = -np.linalg.lstsq(jacobian.T, constraint, rcond=None)[0]
    assert force[0] == pytest.approx(preset("insertion").force_budget_n()[1, 0], abs=0.05)


def test_small_errors_are_a_linear_spring():
    arm = Arm(np.random.default_rng(5))
    law = arm.law(PLAIN)
    law.set_target(shifted(arm.pose, (0.001, -0.002, 0.003), (0.01, 0.0, 0.0)), 0.0)
    np.testing.assert_allclose(arm.wrench(law), [2.0, -4.0, 6.0, 1.5, 0.0, 0.0], atol=1e-9)


def test_feed_forward_is_added_to_the_spring():
    arm = Arm(np.random.default_rng(5))
    law = arm.law(dataclasses.replace(PLAIN, feed_forward_wrench=(1.0, 2.0, 3.0, 0.1, 0.2, 0.3)))
    np.testing.assert_allclose(arm.wrench(law), [1.0, 2.0, 3.0, 0.1, 0.2, 0.3], atol=1e-9)


def test_quaternion_mode_is_half_as_stiff():
    arm, torques = Arm(np.random.default_rng(6)), {}
    for mode in ("log", "quaternion"):
        law = arm.law(dataclasses.replace(PLAIN, rotation_error_mode=mode))
        law.set_target(shifted(arm.pose, angular=(0.0, 0.02, 0.0)), 0.0)
        torques[mode] = arm.wrench(law)[4]
    assert torques["log"] == pytest.approx(150 * 0.02)
    assert torques["quaternion"] == pytest.approx(150 * math.sin(0.01))


def test_rotation_error_is_smooth_for_tool_down_poses():
    """A log of the absolute pose jumps by 2 pi there; the log of the relative one must not."""
    arm = Arm(np.random.default_rng(6))
    law = arm.law(PLAIN)
    goal = arm.pose
    for angle in np.linspace(-0.05, 0.05, 41):
        for axis in np.eye(3):
            arm.rotation = (Rotation.from_rotvec(angle * axis) * TOOL_DOWN).as_matrix()
            law.set_target(goal, 0.0)
            np.testing.assert_allclose(arm.wrench(law)[3:], -150 * angle * axis, atol=1e-9)


# --- damping and null space --------------------------------------------------------------------------------------


def test_motion_that_the_target_makes_too_is_braked_less():
    """But the target's motion alone pushes nothing: an arm that stands against a wall feels only the spring."""
    arm = Arm(np.random.default_rng(8))
    parameters = dataclasses.replace(
        PLAIN, follow_ratio=0.75, follow_filter_s=0.0, stiffness=(2000.0,) * 3 + (0.0,) * 3
    )
    damped = {}
    for speed in (0.0, 0.05, 0.1, -0.1, 0.15):
        arm.qd = np.linalg.pinv(arm.jacobian) @ [speed, 0.0, 0.0, 0.0, 0.0, 0.0]
        for target_speed in (0.0, 0.1):
            law = arm.law(parameters)
            law.set_target(shifted(arm.pose, (0.1 * target_speed, 0.0, 0.0)), 0.1)
            law.torque(*arm.measured())
            spring = 2000.0 * law.state_record["clipped_error"][0]
            damped[speed, target_speed] = law.state_record["commanded_wrench"][0] - spring
    full = {speed: damped[speed, 0.0] for speed in (0.05, 0.1, -0.1)}
    assert damped[0.0, 0.1] == pytest.approx(0.0, abs=1e-9)
    assert damped[0.05, 0.1] == pytest.approx(0.25 * full[0.05], rel=1e-9)
    assert damped[0.1, 0.1] == pytest.approx(0.25 * full[0.1], rel=1e-9)
    assert damped[-0.1, 0.1] == pytest.approx(full[-0.1], rel=1e-9)
    assert damped[0.15, 0.1] == pytest.approx(0.25 * full[0.1] + full[0.05], rel=1e-9)


@pytest.mark.parametrize("zeta", [0.7, 0.95])
def test_every_mode_of_the_closed_loop_has_the_damping_ratio(zeta):
    arm = Arm(np.random.default_rng(8))
    parameters = dataclasses.replace(PLAIN, damping_ratio=zeta)
    damping = np.zeros((6, 6))
    inverse_jacobian = np.linalg.pinv(arm.jacobian)
    for axis in range(6):
        arm.qd = inverse_jacobian[:, axis]
        law = arm.law(parameters)
        law.torque(*arm.measured())
        damping[:, axis] = -law.state_record["commanded_wrench"]
    inertia = np.linalg.inv(arm.jacobian @ np.linalg.inv(arm.mass) @ arm.jacobian.T)
    ratios = mode_ratios(inertia, damping, np.diag(parameters.stiffness))
    np.testing.assert_allclose(ratios, zeta, rtol=1e-6)


def test_posture_torque_accelerates_no_task_axis():
    arm = Arm(np.random.default_rng(9))
    law = arm.law(dataclasses.replace(PLAIN, null_stiffness=(5.0,) * 7, null_posture_rad=tuple(arm.q + 0.3)))
    torque = law.torque(*arm.measured())
    assert np.linalg.norm(torque) > 0.1
    np.testing.assert_allclose(arm.jacobian @ np.linalg.solve(arm.mass, torque), 0.0, atol=1e-10)


def test_posture_torque_is_limited_before_projection():
    arm = Arm(np.random.default_rng(9))
    torques = []
    for offset in (3.0, 300.0):
        law = arm.law(dataclasses.replace(PLAIN, null_stiffness=(5.0,) * 7, null_posture_rad=tuple(arm.q + offset)))
        torques.append(law.torque(*arm.measured()))
    np.testing.assert_array_equal(torques[0], torques[1])  # both 5 Nm


# --- target shaping ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ticks", [1, 7, 50, 100, 333])
def test_interpolation_reaches_the_target_exactly_at_the_end(ticks):
    arm = Arm(np.random.default_rng(10))
    law = arm.law(PLAIN)
    goal = shifted(arm.pose, (0.01, -0.02, 0.03), (0.1, 0.2, -0.3))
    law.set_target(goal, ticks * DT)
    for k in range(1, ticks + 1):
        law.torque(*arm.measured(), DT)
        part = k / ticks
        middle = shifted(arm.pose, np.array([0.01, -0.02, 0.03]) * part, np.array([0.1, 0.2, -0.3]) * part)
        assert law.shaped_target.is_close(middle, 1e-12, 1e-9)
    np.testing.assert_array_equal(law.shaped_target.position, goal.position)
    np.testing.assert_allclose(law.shaped_target.quaternion, goal.quaternion, atol=1e-15)


def test_a_new_target_begins_where_the_old_one_was():
    arm = Arm(np.random.default_rng(10))
    law = arm.law(PLAIN)
    law.set_target(shifted(arm.pose, (0.02, 0.0, 0.0)), 0.1)
    for _ in range(50):
        law.torque(*arm.measured(), DT)
    law.set_target(arm.pose, 0.1)
    law.torque(*arm.measured(), DT)
    assert law.shaped_target.position[0] == pytest.approx(arm.position[0] + 0.01 * 0.99)


def test_filter_goes_39_percent_in_a_policy_period():
    arm = Arm(np.random.default_rng(10))
    law = arm.law("serl")
    law.set_target(shifted(arm.pose, (0.01, 0.0, 0.0), (0.0, 0.2, 0.0)), 0.1)
    for _ in range(100):
        law.torque(*arm.measured(), DT)
    part = 1 - 0.995**100
    assert part == pytest.approx(0.39, abs=0.005)
    assert law.shaped_target.is_close(shifted(arm.pose, (0.01 * part, 0, 0), (0, 0.2 * part, 0)), 1e-9, 1e-9)


def test_slew_limit_bounds_every_tick_and_arrives():
    arm = Arm(np.random.default_rng(11))
    law = arm.law(dataclasses.replace(PLAIN, max_linear_speed_m_s=0.1, max_angular_speed_rad_s=0.5))
    goal = shifted(arm.pose, (0.03, 0.0, 0.04), (0.0, 0.2, 0.0))
    law.set_target(goal, 0.05)
    ticks, before = 0, arm.pose
    while not law.shaped_target.is_close(goal, 1e-12, 1e-12):
        law.torque(*arm.measured(), DT)
        after, ticks = law.shaped_target, ticks + 1
        assert np.linalg.norm(after.position - before.position) <= 0.1 * DT * (1 + 1e-8)
        assert np.linalg.norm((before.inverse() @ after).rotation_vector) <= 0.5 * DT * (1 + 1e-6)
        assert (Status.SLEW_LIMITED in law.status) == (not after.is_close(goal, 1e-12, 1e-12))
        before = after
        assert ticks < 1000
    assert ticks in (500, 501)  # 5 cm at 10 cm/s; the rotation takes 400


def test_box_bounds_the_target_and_says_so():
    arm = Arm(np.random.default_rng(11))
    parameters = dataclasses.replace(PLAIN, box_lower_m=(0.39, -0.01, 0.3), box_upper_m=(0.41, 0.01, 0.32))
    law = arm.law(parameters)
    law.set_target(shifted(arm.pose, (1.0, -1.0, 0.01)), 0.0)
    law.torque(*arm.measured())
    np.testing.assert_array_equal(law.shaped_target.position, [0.41, -0.01, 0.31])
    assert Status.BOX_CLIPPED in law.status


@pytest.mark.parametrize("position", [(np.nan, 0.0, 0.0), (0.0, np.inf, 0.0)])
def test_a_target_that_is_not_finite_is_refused(position):
    arm = Arm(np.random.default_rng(11))
    law = arm.law("insertion")
    law.set_target(shifted(arm.pose, (0.01, 0.0, 0.0)), 0.1)
    saved = law.save()
    with pytest.raises(SpecError):
        law.set_target(Pose(position, arm.pose.quaternion), 0.1)
    for duration_s in (-0.1, np.nan, np.inf):
        with pytest.raises(SpecError):
            law.set_target(arm.pose, duration_s)
    assert law.save() == saved


# --- integral and gains ------------------------------------------------------------------------------------------

INTEGRAL = dataclasses.replace(PLAIN, integral_gain=(1000.0,) * 6, integral_limit=(5.0,) * 3 + (1.0,) * 3)


def test_integral_is_scaled_by_dt_and_clamped():
    arm = Arm(np.random.default_rng(12))
    law = arm.law(INTEGRAL)
    law.set_target(shifted(arm.pose, (0.001, 0.0, 0.0)), 0.0)
    for _ in range(100):
        wrench = arm.wrench(law)
    np.testing.assert_allclose(wrench[0], 2.0 + 1000 * 0.001 * 0.1, atol=1e-9)  # 1 N/s for 0.1 s
    for _ in range(6000):
        law.torque(*arm.measured())
    assert law.state_record["integral_wrench"][0] == 5.0


def test_spring_and_integral_share_the_force_budget():
    arm = Arm(np.random.default_rng(12))
    parameters = dataclasses.replace(INTEGRAL, clip_lower=(-0.002,) * 6, clip_upper=(0.002,) * 6)
    law = arm.law(parameters)
    law.set_target(shifted(arm.pose, (0.0019, 0.0, 0.0)), 0.0)
    for _ in range(3000):
        wrench = arm.wrench(law)
    assert law.state_record["integral_wrench"][0] == 5.0
    assert wrench[0] == pytest.approx(parameters.force_budget_n()[1, 0], abs=1e-9)


def test_integral_of_a_clipped_axis_stands_still():
    arm = Arm(np.random.default_rng(12))
    law = arm.law(INTEGRAL)
    law.set_target(shifted(arm.pose, (0.1, 0.001, 0.0)), 0.0)
    for _ in range(100):
        law.torque(*arm.measured())
    np.testing.assert_allclose(law.state_record["integral_wrench"][:3], [0.0, 0.1, 0.0], atol=1e-12)


def test_integral_waits_while_its_axis_moves():
    arm = Arm(np.random.default_rng(12))
    law = arm.law(INTEGRAL)
    law.set_target(shifted(arm.pose, (0.001, 0.001, 0.0)), 0.0)
    arm.qd = np.linalg.pinv(arm.jacobian) @ [0.006, 0.004, 0.0, 0.0, 0.0, 0.0]
    law.torque(*arm.measured())
    np.testing.assert_allclose(law.state_record["integral_wrench"][:3], [0.0, 0.001, 0.0], atol=1e-12)


def test_gains_and_clips_move_smoothly_to_a_new_preset():
    arm = Arm(np.random.default_rng(13))
    law = arm.law("insertion")
    law.set_preset("compliant")
    before = law.state_record["stiffness"].copy()
    for _ in range(100):
        law.torque(*arm.measured())
        after = law.state_record["stiffness"].copy()
        assert np.all(np.abs(after - before) <= 0.01 * 1600)
        before = after
    assert before[0] == pytest.approx(400 + 1600 * math.exp(-1.0))  # one time constant
    assert law.state_record["clip_upper"][0] == pytest.approx(0.03 - 0.024 * math.exp(-1.0))


def test_unknown_preset_leaves_the_law_as_it_was():
    law = ImpedanceLaw("serl")
    with pytest.raises(UnknownNameError):
        law.set_preset("stiff")
    assert law.parameters is PRESETS["serl"]


def test_stiffness_ramps_in_but_damping_does_not():
    arm = Arm(np.random.default_rng(13))
    law = arm.law(dataclasses.replace(PLAIN, ramp_s=0.5))
    law.set_target(shifted(arm.pose, (0.004, 0.0, 0.0)), 0.0)
    for k in range(1, 501):
        wrench = arm.wrench(law)
        if k in (1, 250, 500):
            assert wrench[0] == pytest.approx(8.0 * k / 500)
    law.start(arm.q, arm.pose)
    arm.qd = np.linalg.pinv(arm.jacobian) @ [0.1, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert arm.wrench(law)[0] < -1.0


# --- guarantees --------------------------------------------------------------------------------------------------

ANY = st.floats(width=64) | st.floats(-10.0, 10.0)


@settings(max_examples=300, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(PRESETS)))
def test_rate_limit_holds_for_any_input(data, name):
    arm = Arm(np.random.default_rng(14))
    law = arm.law(name)
    law.set_target(shifted(arm.pose, (0.3, 0.0, 0.0)), 0.0)
    measured = list(arm.measured())
    for index in data.draw(st.sets(st.integers(0, 6))):
        measured[index] = data.draw(arrays(np.float64, measured[index].shape, elements=ANY))
    previous = data.draw(arrays(np.float64, 7, elements=st.floats(-1e5, 1e5)))
    torque = law.torque(*measured[:7], previous)
    assert np.all(np.abs(torque - previous) <= preset(name).torque_step_nm + 1e-9)
    assert all(np.all(np.isfinite(law.state_record[field])) for field in law.state_record.dtype.names)


@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e7])
def test_unusable_input_fades_the_torque_and_leaves_the_state(index, bad):
    arm = Arm(np.random.default_rng(15))
    law = arm.law("insertion")
    law.set_target(shifted(arm.pose, (0.01, 0.0, 0.0)), 0.1)
    law.torque(*arm.measured())
    saved = law.save()
    arm.previous = np.array([5.0, -5.0, 0.5, 0.0, 1.0, -0.9, 80.0])
    measured = [value.copy() for value in arm.measured()]
    measured[index].flat[-1] = bad
    torque = law.torque(*measured)
    assert law.status == Status.NOT_FINITE
    np.testing.assert_allclose(torque[:6], [4.1, -4.1, 0.0, 0.0, 0.1, 0.0], atol=1e-12)
    if index < 7:
        assert torque[6] == pytest.approx(79.1)
    elif bad != 1e7:
        assert torque[6] == 0.0
    assert law.save() == saved


@pytest.mark.parametrize("dt_s", [0.0, -1e-3, np.nan, np.inf, 0.2])
def test_an_impossible_period_is_unusable(dt_s):
    arm = Arm(np.random.default_rng(15))
    law = arm.law("insertion")
    saved = law.save()
    law.torque(*arm.measured(), dt_s)
    assert law.status == Status.NOT_FINITE
    assert law.save() == saved


def test_an_inertia_that_is_not_positive_definite_is_unusable():
    arm = Arm(np.random.default_rng(15))
    law = arm.law("insertion")
    arm.mass = -arm.mass
    law.torque(*arm.measured())
    assert law.status == Status.NOT_FINITE


@pytest.mark.parametrize("rotation", [np.zeros((3, 3)), np.diag([1.0, 1.0, -1.0]), 1.1 * np.eye(3)])
def test_a_matrix_that_is_no_rotation_is_unusable(rotation):
    arm = Arm(np.random.default_rng(15))
    law = arm.law("insertion")
    saved = law.save()
    arm.rotation = rotation
    law.torque(*arm.measured())
    assert law.status == Status.NOT_FINITE
    assert law.save() == saved


def test_start_refuses_nan():
    arm = Arm(np.random.default_rng(15))
    law = arm.law("insertion")
    saved = law.save()
    with pytest.raises(SpecError):
        law.start(np.full(7, np.nan), arm.pose)
    assert law.save() == saved


def test_torque_saturates():
    arm = Arm(np.random.default_rng(15))
    law = arm.law(dataclasses.replace(PLAIN, torque_limit_nm=(1.0,) * 7))
    arm.coriolis = np.array([2.0, -2.0, 0.5, 0.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(law.torque(*arm.measured()), [1.0, -1.0, 0.5, 0.0, 0.0, 0.0, 0.0], atol=1e-12)
    assert law.status == Status.TORQUE_SATURATED


def test_joint_limits_repel_with_a_ramp():
    arm = Arm(np.random.default_rng(15))
    arm.q = np.array([2.9007 - 0.15, -1.8361 + 0.03, -3.5, -1.0, 0.0, 2.0, 0.0])
    law = arm.law(dataclasses.replace(PLAIN, joint_repulsion_nm=5.0))
    np.testing.assert_allclose(law.torque(*arm.measured()), [-2.5, 4.5, 5.0, 0.0, 0.0, 0.0, 0.0], atol=1e-9)
    assert law.status == Status.JOINT_LIMIT


def test_restored_law_continues_bit_for_bit():
    rng = np.random.default_rng(16)
    arm = Arm(rng)
    law = arm.law("precision")
    law.set_target(shifted(arm.pose, (0.02, 0.0, 0.0), (0.0, 0.1, 0.0)), 0.3)
    noise = rng.normal(size=(400, 7)) * 0.01

    def run(which: ImpedanceLaw, begin: int) -> list[bytes]:
        torques = []
        for k in range(begin, begin + 200):
            arm.qd = noise[k]
            torques.append(which.torque(*arm.measured()).tobytes())
        return torques

    run(law, 0)
    saved = law.save()
    first = run(law, 200)
    other = ImpedanceLaw("precision")
    other.restore(saved)
    assert run(other, 200) == first
    assert other.save() == law.save()
    with pytest.raises(SpecError, match="bytes"):
        other.restore(saved[:-1])


def test_returned_torque_is_a_copy():
    arm = Arm(np.random.default_rng(16))
    law = arm.law("insertion")
    arm.coriolis = np.ones(7)
    first = law.torque(*arm.measured())
    arm.coriolis = -np.ones(7)
    law.torque(*arm.measured())
    assert np.all(first > 0.0)


# --- the closed loop on an arm with and without joint friction ----------------------------------------------------


@pytest.mark.parametrize("friction", [1.0, 0.5, 0.0])
def test_comes_to_rest_within_a_tenth_of_a_millimetre(friction):
    """Also where friction is less than the law believes: over-compensation must not drive the arm."""
    law = ImpedanceLaw("insertion")
    plant = ArmPlant(law, has_friction=True)
    plant.model.dof_frictionloss[:] *= friction
    plant.step(500)
    goal = shifted(plant.pose, (0.005, 0.003, -0.004))
    law.set_target(goal, 0.1)
    plant.step(2000)
    assert np.linalg.norm(plant.pose.position - goal.position) <= 1e-4
    assert np.abs(plant.data.qvel).max() < 2e-3


def test_without_compensation_friction_holds_it_away():
    law = ImpedanceLaw(dataclasses.replace(preset("insertion"), friction_ratio=0.0, friction_rest_ratio=0.0))
    plant = ArmPlant(law, has_friction=True)
    plant.step(500)
    goal = shifted(plant.pose, (0.005, 0.003, -0.004))
    law.set_target(goal, 0.1)
    plant.step(2000)
    assert np.linalg.norm(plant.pose.position - goal.position) > 5e-4


def test_critical_damping_does_not_overshoot():
    law = ImpedanceLaw("insertion")
    plant = ArmPlant(law)
    law.set_preset(
        dataclasses.replace(preset("insertion"), damping_ratio=1.0, friction_ratio=0.0, friction_rest_ratio=0.0)
    )
    plant.step(600)
    goal = shifted(plant.pose, (0.005, 0.0, 0.0))
    law.set_target(goal, 0.0)
    largest = 0.0
    for _ in range(800):
        plant.step()
        largest = max(largest, float(plant.pose.position[0] - goal.position[0]))
    assert largest < 0.02 * 0.005
    assert abs(plant.pose.position[0] - goal.position[0]) < 1e-4
