"""What every arm, gripper, camera, teleop device and environment must do: inherit a contract and give its fixtures.

    class TestMyArm(ArmContract):
        @pytest.fixture
        def arm(self): ...
        @pytest.fixture
        def advance(self): ...      # advance(seconds) lets time pass for the device

The tests use the protocols and nothing else, so that fakes, simulated devices, drivers and ROS proxies all sit the
same exam. Class attributes say how exact and how fast a device has to be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from robot_rl.errors import (
    ActionError,
    ChannelError,
    EpisodeError,
    SpecError,
    StoppedError,
    UnknownNameError,
    WireError,
)
from robot_rl.geometry import Array, Pose
from robot_rl.robot.protocols import Arm, Camera, Gripper, Teleop
from robot_rl.runtime.channels.channel import ActorChannel, LearnerChannel, Progress
from robot_rl.runtime.channels.weights import Weights
from robot_rl.specs import ArraySpec, EnvironmentSpec, ObservationSpec
from robot_rl.types import (
    ArmState,
    Command,
    Observation,
    Reason,
    Source,
    StepRecord,
    StepType,
    StopRecord,
    TimeStep,
)

Advance = Callable[[float], None]

NOWHERE = Pose(np.array([np.nan, 0.0, 0.3]))


def distance(a: Pose, b: Pose) -> tuple[float, float]:
    """(metres, radians) between two poses."""
    relative = a.inverse() @ b
    return float(np.linalg.norm(a.position - b.position)), float(np.linalg.norm(relative.rotation_vector))


def assert_near(a: Pose, b: Pose, position_m: float, angle_rad: float) -> None:
    metres, radians = distance(a, b)
    assert metres <= position_m, f"{metres} m apart, at most {position_m}: {a} and {b}"
    assert radians <= angle_rad, f"{radians} rad apart, at most {angle_rad}: {a} and {b}"


class ArmContract:
    """Fixtures: `arm`, at rest, clear of everything and not stopped; `advance`."""

    presets: tuple[str, str] = ("compliant", "insertion")
    """Two of its impedance presets; the first may be soft."""
    settle_s = 1.0
    """After a small move the arm is at rest."""
    reach_m = 0.002
    reach_rad = 0.02
    rest_wrench = 2.0
    """Largest element of the wrench in free space [N, Nm]."""

    @pytest.fixture
    def arm(self) -> Arm:
        raise NotImplementedError("a subclass gives the arm")

    @pytest.fixture
    def advance(self) -> Advance:
        raise NotImplementedError("a subclass gives advance(seconds)")

    def move(self, arm: Arm, advance: Advance, goal: Pose, seconds: float | None = None) -> None:
        """Command a goal once, as the newest command."""
        arm.set_equilibrium_pose(goal, arm.state().stamp_ns)
        advance(self.settle_s if seconds is None else seconds)

    def test_it_implements_the_protocol(self, arm):
        assert isinstance(arm, Arm)

    def test_its_state_has_the_promised_shapes(self, arm):
        state = arm.state()
        assert isinstance(state, ArmState)
        assert isinstance(state.stamp_ns, int)
        for name, size in (
            ("joint_positions", 7),
            ("joint_velocities", 7),
            ("joint_torques", 7),
            ("tcp_twist_base", 6),
            ("tcp_wrench", 6),
        ):
            value = getattr(state, name)
            assert value.shape == (size,), name
            assert value.dtype == np.float64, name
            assert np.isfinite(value).all(), name
        assert np.linalg.norm(state.tcp_pose.quaternion) == pytest.approx(1.0)
        assert state.stop is None

    def test_its_stamp_follows_time(self, arm, advance):
        stamps = [arm.state().stamp_ns]
        for _ in range(3):
            advance(0.1)
            stamps.append(arm.state().stamp_ns)
        assert all(50_000_000 < b - a < 200_000_000 for a, b in pairwise(stamps)), stamps

    def test_a_state_is_a_snapshot(self, arm, advance):
        state = arm.state()
        names = ("joint_positions", "joint_velocities", "joint_torques", "tcp_twist_base", "tcp_wrench")
        before = {name: getattr(state, name).copy() for name in names}
        position = state.tcp_pose.position.copy()
        self.move(arm, advance, state.tcp_pose @ Pose(np.array([0.0, 0.01, -0.02])))
        for name in names:
            np.testing.assert_array_equal(getattr(state, name), before[name], err_msg=name)
        np.testing.assert_array_equal(state.tcp_pose.position, position)

    def test_at_rest_it_stays_and_feels_nothing(self, arm, advance):
        before = arm.state().tcp_pose
        advance(self.settle_s)
        state = arm.state()
        assert_near(state.tcp_pose, before, self.reach_m, self.reach_rad)
        assert np.abs(state.tcp_twist_base).max() < 0.02
        assert np.abs(state.tcp_wrench).max() < self.rest_wrench

    @pytest.mark.parametrize(
        "delta",
        [
            Pose(np.array([0.0, 0.0, -0.01])),
            Pose(np.array([0.01, 0.0, 0.0])),
            Pose(np.array([0.0, -0.01, 0.0])),
            Pose.from_rotation_vector([0.0, 0.0, 0.1]),
            Pose.from_rotation_vector([0.08, 0.0, 0.0]),
        ],
        ids=["back", "x", "-y", "turn", "tilt"],
    )
    def test_it_goes_to_its_equilibrium_pose(self, arm, advance, delta):
        goal = arm.state().tcp_pose @ delta
        arm.set_impedance(self.presets[1])
        self.move(arm, advance, goal)
        assert_near(arm.state().tcp_pose, goal, self.reach_m, self.reach_rad)

    def test_it_refuses_a_pose_that_is_not_finite_and_stays(self, arm, advance):
        before = arm.state().tcp_pose
        with pytest.raises(SpecError, match="finite"):
            arm.set_equilibrium_pose(NOWHERE, arm.state().stamp_ns)
        advance(self.settle_s)
        assert_near(arm.state().tcp_pose, before, self.reach_m, self.reach_rad)
        assert arm.state().stop is None

    def test_an_unknown_preset_is_answered_with_the_known_ones(self, arm):
        with pytest.raises(UnknownNameError) as raised:
            arm.set_impedance("feather")
        assert set(self.presets) <= set(raised.value.valid)

    def test_changing_the_preset_at_rest_does_not_move_it(self, arm, advance):
        before = arm.state().tcp_pose
        for preset in self.presets:
            arm.set_impedance(preset)
            advance(0.3)
        assert_near(arm.state().tcp_pose, before, self.reach_m, self.reach_rad)

    def test_a_stop_has_a_reason_and_the_first_one_is_kept(self, arm, advance):
        first = arm.stop(Reason.WRENCH, "too much force")
        assert isinstance(first, StopRecord)
        assert (first.reason, first.detail) == (Reason.WRENCH, "too much force")
        advance(0.2)
        second = arm.stop(Reason.REQUESTED, "again")
        assert second == first
        advance(0.2)
        assert arm.state().stop == first

    def test_a_stop_without_words_was_requested(self, arm):
        assert arm.stop().reason is Reason.REQUESTED

    def test_stopped_it_refuses_motion_and_stays(self, arm, advance):
        self.move(arm, advance, arm.state().tcp_pose @ Pose(np.array([0.0, 0.0, -0.02])), 0.05)
        arm.stop(Reason.REQUESTED, "in the middle of a move")
        advance(self.settle_s)
        before = arm.state().tcp_pose
        with pytest.raises(StoppedError, match=Reason.REQUESTED.value):
            self.move(arm, advance, before @ Pose(np.array([0.0, 0.0, -0.02])))
        advance(self.settle_s)
        assert_near(arm.state().tcp_pose, before, self.reach_m, self.reach_rad)
        assert arm.state().stop is not None, "a refused command must not clear the stop"

    def test_a_preset_does_not_clear_a_stop(self, arm, advance):
        arm.stop()
        arm.set_impedance(self.presets[1])
        advance(0.1)
        assert arm.state().stop is not None

    def test_recovered_it_stays_where_it_is_and_moves_again(self, arm, advance):
        start = arm.state().tcp_pose
        self.move(arm, advance, start @ Pose(np.array([0.0, 0.0, -0.03])), 0.05)
        arm.stop()
        advance(self.settle_s)
        before = arm.state().tcp_pose
        arm.recover()
        advance(self.settle_s)
        assert arm.state().stop is None
        assert_near(arm.state().tcp_pose, before, self.reach_m, self.reach_rad)
        goal = before @ Pose(np.array([0.01, 0.0, 0.0]))
        arm.set_impedance(self.presets[1])
        self.move(arm, advance, goal)
        assert_near(arm.state().tcp_pose, goal, self.reach_m, self.reach_rad)

    def test_recovering_a_moving_arm_changes_nothing_but_the_stop(self, arm, advance):
        before = arm.state().tcp_pose
        arm.recover()
        advance(0.2)
        assert arm.state().stop is None
        assert_near(arm.state().tcp_pose, before, self.reach_m, self.reach_rad)


class GripperContract:
    """Fixtures: `gripper`, holding nothing; `advance`."""

    move_s = 2.0
    """Time for the whole stroke."""
    reach_m = 0.002

    @pytest.fixture
    def gripper(self) -> Gripper:
        raise NotImplementedError("a subclass gives the gripper")

    @pytest.fixture
    def advance(self) -> Advance:
        raise NotImplementedError("a subclass gives advance(seconds)")

    def test_it_implements_the_protocol(self, gripper):
        assert isinstance(gripper, Gripper)

    def test_its_width_lies_within_its_stroke(self, gripper):
        assert gripper.max_width() > 0.0
        assert 0.0 <= gripper.width() <= gripper.max_width()

    @pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
    def test_it_goes_to_a_width(self, gripper, advance, share):
        goal_m = share * gripper.max_width()
        gripper.set_width(goal_m)
        advance(self.move_s)
        assert gripper.width() == pytest.approx(goal_m, abs=self.reach_m)

    @pytest.mark.parametrize(("asked", "share"), [(-0.1, 0.0), (10.0, 1.0)])
    def test_an_impossible_width_is_clipped(self, gripper, advance, asked, share):
        gripper.set_width(0.5 * gripper.max_width())
        advance(self.move_s)
        gripper.set_width(asked)
        advance(self.move_s)
        assert gripper.width() == pytest.approx(share * gripper.max_width(), abs=self.reach_m)
        assert 0.0 <= gripper.width() <= gripper.max_width()

    @pytest.mark.parametrize("width_m", [float("nan"), float("inf"), float("-inf")])
    def test_a_width_that_is_not_finite_is_refused(self, gripper, advance, width_m):
        before = gripper.width()
        with pytest.raises(SpecError, match="finite"):
            gripper.set_width(width_m)
        advance(0.5)
        assert gripper.width() == pytest.approx(before, abs=self.reach_m)

    def test_a_later_width_replaces_an_earlier_one(self, gripper, advance):
        gripper.set_width(0.0)
        advance(0.05)
        gripper.set_width(gripper.max_width())
        advance(self.move_s)
        assert gripper.width() == pytest.approx(gripper.max_width(), abs=self.reach_m)


class CameraContract:
    """Fixtures: `camera`; `advance`."""

    shape: tuple[int, int] | None = None
    """(height, width), where they are known."""

    @pytest.fixture
    def camera(self) -> Camera:
        raise NotImplementedError("a subclass gives the camera")

    @pytest.fixture
    def advance(self) -> Advance:
        raise NotImplementedError("a subclass gives advance(seconds)")

    def test_it_implements_the_protocol(self, camera):
        assert isinstance(camera, Camera)

    def test_its_picture_is_rgb_bytes(self, camera):
        stamp_ns, image = camera.read()
        assert isinstance(stamp_ns, int)
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        if self.shape is not None:
            assert image.shape[:2] == self.shape
        assert image.min() < image.max(), "a picture of one colour shows nothing"

    def test_its_stamp_follows_time(self, camera, advance):
        stamps = [camera.read()[0]]
        for _ in range(3):
            advance(0.1)
            stamps.append(camera.read()[0])
        assert all(b > a for a, b in pairwise(stamps)), stamps

    def test_a_picture_is_not_overwritten_by_the_next(self, camera, advance):
        _, image = camera.read()
        before = image.copy()
        image_is_ours = image
        advance(0.2)
        _, later = camera.read()
        np.testing.assert_array_equal(image_is_ours, before)
        assert not np.shares_memory(image, later)
        assert later.shape == before.shape


class TeleopContract:
    """Fixtures: `teleop`; `advance`. Nobody needs to touch the device."""

    reads = 50

    @pytest.fixture
    def teleop(self) -> Teleop:
        raise NotImplementedError("a subclass gives the device")

    @pytest.fixture
    def advance(self) -> Advance:
        raise NotImplementedError("a subclass gives advance(seconds)")

    def check(self, command: Command | None) -> None:
        if command is None:
            return
        assert isinstance(command, Command)
        assert command.twist_base.shape == (6,)
        assert np.isfinite(command.twist_base).all()
        assert np.abs(command.twist_base).max() <= 1.0
        assert -1.0 <= command.gripper <= 1.0
        assert isinstance(command.stamp_ns, int)
        assert isinstance(command.buttons, frozenset)

    def test_it_implements_the_protocol(self, teleop):
        assert isinstance(teleop, Teleop)

    def test_what_it_reads_is_nothing_or_a_command_within_the_range(self, teleop, advance):
        teleop.reset()
        for _ in range(self.reads):
            self.check(teleop.read())
            advance(0.01)

    def test_its_stamps_never_go_back(self, teleop, advance):
        teleop.reset()
        stamps: list[int] = []
        for _ in range(self.reads):
            command = teleop.read()
            if command is not None:
                stamps.append(command.stamp_ns)
            advance(0.01)
        assert stamps == sorted(stamps)

    def test_it_can_be_reset_at_any_time(self, teleop, advance):
        for _ in range(3):
            teleop.reset()
            self.check(teleop.read())
            advance(0.05)


class EnvContract:
    """Fixture: `make_env`, a function that builds a fresh environment, the same one at every call.

    What it builds must not be able to succeed by chance in the first few steps, and nobody must intervene.
    """

    steps = 8
    """How many steps a test takes where some are enough."""
    same_seed_is_exact = True
    """A simulated environment repeats an episode bit for bit; a real one cannot."""
    pictures_repeat = True
    """Whether the pictures do, too."""
    has_episodes_short_enough = True
    """Whether a test may run an episode to its time limit."""

    @pytest.fixture
    def make_env(self) -> Callable[[], Any]:
        raise NotImplementedError("a subclass gives a function that builds the environment")

    @pytest.fixture
    def env(self, make_env) -> Any:
        return make_env()

    @pytest.fixture
    def generator(self) -> np.random.Generator:
        return np.random.default_rng(0)

    def draw(self, env: Any, generator: np.random.Generator) -> Array:
        return generator.uniform(-1.0, 1.0, env.spec.action_size).astype(np.float32)

    def check(self, env: Any, time_step: TimeStep) -> None:
        """What holds of every time step."""
        spec = env.spec
        spec.observation.validate(time_step.observation)
        spec.action.validate(time_step.applied_action)
        assert isinstance(time_step.reward, float)
        assert np.isfinite(time_step.reward)
        assert time_step.discount in (0.0, 1.0)
        assert isinstance(time_step.source, Source)
        assert time_step.discount == 1.0 or time_step.is_last
        assert time_step.is_terminal == (time_step.discount == 0.0)

    def test_reset_gives_a_first_time_step(self, env):
        first = env.reset(seed=0)
        self.check(env, first)
        assert first.step_type is StepType.FIRST
        assert (first.reward, first.discount) == (0.0, 1.0)
        np.testing.assert_array_equal(first.applied_action, np.zeros(env.spec.action_size, np.float32))

    def test_every_time_step_fits_the_spec_until_the_episode_ends(self, env, generator):
        time_step, count = env.reset(seed=1), 0
        spec = env.spec
        while not time_step.is_last and (self.has_episodes_short_enough or count < self.steps):
            time_step = env.step(self.draw(env, generator))
            count += 1
            self.check(env, time_step)
            assert time_step.step_type is (StepType.LAST if time_step.is_last else StepType.MID)
            assert count <= spec.step_limit

    def test_the_time_limit_truncates(self, env):
        if not self.has_episodes_short_enough:
            return
        time_step, count = env.reset(seed=0), 0
        while not time_step.is_last:
            time_step = env.step(np.zeros(env.spec.action_size, np.float32))
            count += 1
        assert count == env.spec.step_limit
        assert time_step.discount == 1.0
        assert not time_step.is_terminal
        with pytest.raises(EpisodeError, match="reset"):
            env.step(np.zeros(env.spec.action_size, np.float32))
        with pytest.raises(EpisodeError, match="reset"):
            env.step(np.zeros(env.spec.action_size, np.float32))
        assert env.reset().is_first
        assert not env.step(np.zeros(env.spec.action_size, np.float32)).is_first

    def test_a_step_before_the_first_reset_is_an_error(self, env):
        with pytest.raises(EpisodeError, match="reset"):
            env.step(np.zeros(env.spec.action_size, np.float32))

    def test_without_corrections_the_applied_action_is_the_given_one_bit_for_bit(self, env, generator):
        env.reset(seed=2)
        compared = 0
        for _ in range(self.steps):
            action = 0.3 * self.draw(env, generator)
            action[6:] = np.sign(action[6:])
            time_step = env.step(action)
            if not env.corrections:
                assert time_step.applied_action.tobytes() == action.tobytes()
                compared += 1
        assert compared > self.steps // 2, "nearly every small action was corrected: nothing was tested"

    def test_an_action_out_of_range_is_clipped_and_reported(self, env):
        env.reset(seed=0)
        action = np.zeros(env.spec.action_size, np.float32)
        action[0], action[1] = 3.0, -0.25
        time_step = env.step(action)
        reasons = [correction.reason for correction in env.corrections]
        assert reasons == [Reason.OUT_OF_RANGE]
        assert env.corrections[0].amount == pytest.approx(2.0)
        np.testing.assert_array_equal(time_step.applied_action, np.clip(action, -1.0, 1.0))

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_an_action_that_is_not_finite_holds_and_is_reported(self, env, value):
        env.reset(seed=0)
        action = np.full(env.spec.action_size, 0.5, np.float32)
        action[2] = value
        time_step = env.step(action)
        self.check(env, time_step)
        assert [correction.reason for correction in env.corrections] == [Reason.NOT_FINITE]
        np.testing.assert_array_equal(time_step.applied_action, np.zeros_like(action))
        env.step(np.zeros_like(action))
        assert env.corrections == (), "a correction belongs to its own step"

    def test_a_wrong_action_is_an_error_that_costs_nothing(self, env):
        first = env.reset(seed=0)
        size = env.spec.action_size
        for wrong in (np.zeros(size + 1), np.zeros((1, size)), 0.0, "fast", [None] * size, np.zeros(0)):
            with pytest.raises(ActionError, match="action"):
                env.step(wrong)
        second = env.step(np.zeros(size))
        assert second.step_type is StepType.MID
        assert second.observation.stamp_ns - first.observation.stamp_ns < 1.9e9 / env.spec.rate_hz

    def test_the_given_action_is_copied(self, env):
        env.reset(seed=0)
        action = np.full(env.spec.action_size, 0.25, np.float32)
        time_step = env.step(action)
        kept = time_step.applied_action.copy()
        action[:] = -1.0
        np.testing.assert_array_equal(time_step.applied_action, kept)

    def test_an_old_time_step_does_not_change(self, env, generator):
        old = env.reset(seed=0)
        copies = {
            name: value.copy() for name, value in (*old.observation.proprio.items(), *old.observation.images.items())
        }
        for _ in range(3):
            env.step(self.draw(env, generator))
        for name, value in (*old.observation.proprio.items(), *old.observation.images.items()):
            np.testing.assert_array_equal(value, copies[name], err_msg=name)
        np.testing.assert_array_equal(old.applied_action, 0.0)

    def test_a_step_takes_one_period(self, env, generator):
        stamps = [env.reset(seed=0).observation.stamp_ns]
        stamps += [env.step(self.draw(env, generator)).observation.stamp_ns for _ in range(self.steps)]
        period_s = np.diff(stamps) / 1e9
        np.testing.assert_allclose(period_s, 1.0 / env.spec.rate_hz, rtol=0.05)

    def test_a_seed_repeats_an_episode_and_those_that_follow(self, make_env):
        if self.same_seed_is_exact:
            one, other = make_env(), make_env()
            first = self.record(one, 5)
            assert self.record(one, 5) == first, "the same environment, reset twice"
            assert self.record(other, 5) == first, "two environments"
            assert self.record(other, 6) != first, "another seed"

    def record(self, env: Any, seed: int) -> list[bytes]:
        """Two short episodes of one seed, as bytes without stamps."""
        generator, out = np.random.default_rng(7), []
        for first in (env.reset(seed=seed), None):
            time_step = first or env.reset()
            for _ in range(self.steps):
                out += [value.tobytes() for value in time_step.observation.proprio.values()]
                if self.pictures_repeat:
                    out += [value.tobytes() for value in time_step.observation.images.values()]
                out.append(time_step.applied_action.tobytes() + np.float64(time_step.reward).tobytes())
                if time_step.is_last:
                    break
                time_step = env.step(self.draw(env, generator))
        return out

    def test_a_reset_in_the_middle_starts_anew(self, env):
        first = env.reset(seed=3)
        for _ in range(3):
            env.step(np.full(env.spec.action_size, 0.5))
        again = env.reset(seed=3)
        assert again.is_first
        if self.same_seed_is_exact:
            for name, value in first.observation.proprio.items():
                np.testing.assert_array_equal(again.observation.proprio[name], value, err_msg=name)

    def test_a_stopped_arm_truncates_with_a_reason_and_reset_does_not_clear_it(self, env):
        env.reset(seed=0)
        env.step(np.zeros(env.spec.action_size))
        env.robot.stop(Reason.REQUESTED, "the red button")
        last = env.step(np.full(env.spec.action_size, 0.5))
        self.check(env, last)
        assert last.is_last
        assert not last.is_terminal
        np.testing.assert_array_equal(last.applied_action, 0.0)
        assert any(c.reason is Reason.STOPPED and "the red button" in c.detail for c in env.corrections)
        with pytest.raises(EpisodeError):
            env.step(np.zeros(env.spec.action_size))
        for _ in range(2):
            with pytest.raises(StoppedError, match="the red button"):
                env.reset()
        env.robot.arm.recover()
        assert env.reset().is_first
        assert env.step(np.zeros(env.spec.action_size)).step_type is StepType.MID

    def test_actions_may_be_lists_and_doubles(self, env):
        env.reset(seed=0)
        for action in ([0.25] * 6 + [0.0] * (env.spec.action_size - 6), np.full(env.spec.action_size, 0.0, np.float64)):
            assert env.step(action).applied_action.dtype == np.float32


CHANNEL_SPEC = EnvironmentSpec(
    ObservationSpec(
        {"tool": ArraySpec("tool", (3,), np.float32), "force": ArraySpec("force", (2,), np.float32)},
        {"wrist": ArraySpec("wrist", (4, 5, 3), np.uint8)},
    ),
    action_size=7,
    step_limit=100,
    rate_hz=10.0,
)


def until(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Wait until `condition()` is true and return it; fail after the time."""
    end_s = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.002)


def make_record(episode: int, step: int, has_base: bool = False) -> StepRecord:
    """A record that fits CHANNEL_SPEC, with other values in every step."""
    draw = np.random.default_rng([episode, step])
    observation = Observation(
        {
            name: draw.normal(size=spec.shape).astype(np.float32)
            for name, spec in CHANNEL_SPEC.observation.proprio.items()
        },
        {"wrist": draw.integers(0, 256, (4, 5, 3), np.uint8)},
        10**15 + step,
        draw.uniform(-1, 1, 7).astype(np.float32) if has_base else None,
    )
    action = draw.uniform(-1, 1, 7).astype(np.float32)
    kind = StepType.FIRST if step == 0 else StepType.LAST if step == 7 else StepType.MID
    time_step = TimeStep(kind, observation, float(draw.normal()), float(step != 7), action, Source(step % 4))
    return StepRecord(time_step, episode, step, step - 1, step == 7)


def assert_same_record(a: StepRecord, b: StepRecord) -> None:
    names = ("episode", "step", "policy_version", "is_success")
    assert [getattr(a, name) for name in names] == [getattr(b, name) for name in names]
    x, y = a.time_step, b.time_step
    assert (x.step_type, x.reward, x.discount, x.source) == (y.step_type, y.reward, y.discount, y.source)
    assert (type(y.step_type), type(y.source), type(b.is_success)) == (StepType, Source, bool)
    assert x.observation.stamp_ns == y.observation.stamp_ns
    assert list(x.observation.proprio) == list(y.observation.proprio)
    assert list(x.observation.images) == list(y.observation.images)
    assert (x.observation.base_action is None) == (y.observation.base_action is None)
    pairs = [(x.applied_action, y.applied_action), (x.observation.base_action, y.observation.base_action)]
    pairs += [(value, y.observation.proprio[name]) for name, value in x.observation.proprio.items()]
    pairs += [(value, y.observation.images[name]) for name, value in x.observation.images.items()]
    for one, other in pairs:
        if one is not None:
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


class ChannelContract:
    """Fixture: `make_channels`, a function (capacity) -> (actor's end, learner's end) for CHANNEL_SPEC, connected."""

    @pytest.fixture
    def make_channels(self) -> Callable[[int], tuple[ActorChannel, LearnerChannel]]:
        raise NotImplementedError("a subclass gives a function that builds both ends")

    @pytest.fixture
    def ends(self, make_channels) -> tuple[ActorChannel, LearnerChannel]:
        return make_channels(100)

    def collect(self, learner: LearnerChannel, count: int) -> list[StepRecord]:
        records: list[StepRecord] = []

        def has_all() -> bool:
            records.extend(learner.drain())
            return len(records) >= count

        until(has_all)
        return records

    def test_both_ends_implement_the_protocols(self, ends):
        actor, learner = ends
        assert isinstance(actor, ActorChannel)
        assert isinstance(learner, LearnerChannel)

    def test_records_arrive_in_order_bit_for_bit(self, ends):
        actor, learner = ends
        sent = [make_record(2**32 + 5, step, has_base=step % 2 == 1) for step in range(8)]
        for record in sent:
            actor.send(record)
        arrived = self.collect(learner, 8)
        for one, other in zip(sent, arrived, strict=True):
            assert_same_record(one, other)
        assert learner.drain() == []

    def test_only_what_was_drained_before_it_is_acknowledged(self, ends):
        actor, learner = ends
        for step in range(3):
            actor.send(make_record(0, step))
        self.collect(learner, 3)
        assert not actor.flush(0.1)
        assert (actor.acknowledged, actor.unacknowledged) == (0, 3)
        actor.send(make_record(0, 3))
        learner.acknowledge()
        until(lambda: actor.acknowledged == 3)
        assert not actor.flush(0.05)
        self.collect(learner, 1)
        learner.acknowledge()
        assert actor.flush(5.0)
        assert (actor.acknowledged, actor.unacknowledged) == (4, 0)

    def test_a_part_of_what_was_drained_can_be_acknowledged(self, ends):
        actor, learner = ends
        for step in range(6):
            actor.send(make_record(0, step))
        self.collect(learner, 6)
        learner.acknowledge(4)
        until(lambda: actor.acknowledged == 4)
        learner.acknowledge(2)
        with pytest.raises(ChannelError, match="7 records: 6 were drained"):
            learner.acknowledge(7)
        assert not actor.flush(0.05)
        assert actor.acknowledged == 4
        learner.acknowledge(6)
        assert actor.flush(5.0)

    def test_nothing_sent_needs_no_flush(self, ends):
        assert ends[0].flush(0.0)

    def test_a_full_queue_is_an_error_and_costs_nothing_that_was_taken(self, make_channels):
        actor, learner = make_channels(5)
        for step in range(5):
            actor.send(make_record(0, step))
        with pytest.raises(ChannelError, match="5 records"):
            actor.send(make_record(0, 5))
        assert actor.unacknowledged == 5
        assert [record.step for record in self.collect(learner, 5)] == [0, 1, 2, 3, 4]
        learner.acknowledge()
        assert actor.flush(5.0)
        actor.send(make_record(0, 5))
        assert [record.step for record in self.collect(learner, 1)] == [5]

    def test_a_record_that_does_not_fit_is_refused_before_it_travels(self, ends):
        actor, learner = ends
        wrong = make_record(0, 1)
        wrong.time_step.observation.proprio["force"] = np.zeros(3, np.float32)
        with pytest.raises(SpecError, match="force"):
            actor.send(wrong)
        actor.send(make_record(0, 2))
        assert [record.step for record in self.collect(learner, 1)] == [2]

    def test_the_newest_weights_come_once(self, ends):
        actor, learner = ends
        assert actor.latest() is None
        assert actor.learner_version == -1
        for version in range(4):
            learner.publish(Weights(version, {"a": np.full((2, 3), version, np.float32)}))
        newest = until(lambda: (w := actor.latest()) is not None and w.version == 3 and w)
        assert newest.tensors["a"].tolist() == [[3.0] * 3] * 2
        assert actor.learner_version == 3
        time.sleep(0.05)
        assert actor.latest() is None

    def test_weights_are_copies_and_may_be_written(self, ends):
        actor, learner = ends
        tensor = np.arange(6, dtype=np.float32).reshape(2, 3)
        learner.publish(Weights(0, {"a": tensor, "b": tensor.T}))
        tensor[:] = -1.0
        arrived = until(actor.latest).tensors
        assert arrived["a"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
        assert arrived["b"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
        arrived["a"][:] = 7.0

    def test_weights_that_cannot_travel_are_refused(self, ends):
        learner = ends[1]
        learner.publish(Weights(4, {}))
        for version in (4, 3):
            with pytest.raises(ChannelError, match=f"greater than 4, got {version}"):
                learner.publish(Weights(version, {}))
        with pytest.raises(WireError, match="phase"):
            learner.publish(Weights(5, {"phase": np.zeros(2, np.complex64)}))
        learner.publish(Weights(5, {}))

    def test_an_actor_can_wait_until_its_records_are_taken_in_and_has_the_weights_of_then(self, ends):
        actor, learner = ends
        assert not actor.wait_taken(0.05), "no weights, no announcement"
        learner.publish(Weights(0, {}))
        assert not actor.wait_taken(0.05), "the learner has not said where the run is"
        assert actor.progress is None
        learner.announce(7, {0: 3})
        assert actor.wait_taken(5.0)
        assert actor.progress == Progress(7, 3)
        for step in range(3):
            actor.send(make_record(2, step))
            assert not actor.wait_taken(0.02)
            self.collect(learner, 1)
            assert not actor.wait_taken(0.02), "drained is not announced"
            learner.publish(Weights(step + 1, {"a": np.full(3, step, np.float32)}))
            learner.announce(8 + step, {0: 3})
            assert actor.wait_taken(5.0)
            weights = actor.latest()
            assert (weights.version, weights.tensors["a"].tolist()) == (step + 1, [step] * 3)
            assert actor.progress == Progress(8 + step, 3)
        actor.send(make_record(2, 3))
        self.collect(learner, 1)
        learner.announce(11, {0: 3}, is_over=True)
        assert actor.wait_taken(5.0)
        assert actor.latest() is None, "none are new"
        assert actor.progress == Progress(11, 3, is_over=True)

    def test_what_was_sent_after_the_last_announcement_is_not_taken_in(self, ends):
        actor, learner = ends
        learner.publish(Weights(0, {}))
        actor.send(make_record(0, 0))
        self.collect(learner, 1)
        actor.send(make_record(0, 1))
        until(lambda: learner.wait(0.0))
        learner.announce(0, {})
        assert not actor.wait_taken(0.05)

    def test_the_learner_can_wait_for_records(self, ends):
        actor, learner = ends
        assert not learner.wait(0.02)
        actor.send(make_record(0, 0))
        assert learner.wait(5.0)
        assert len(learner.drain()) == 1
        assert not learner.wait(0.02)

    def test_the_learner_knows_who_is_there_and_who_has_finished(self, ends):
        actor, learner = ends
        assert learner.count_actors(5.0) == 1
        assert learner.finished_actors == 0
        actor.close(has_finished=True)
        until(lambda: learner.count_actors(5.0) == 0)
        assert learner.finished_actors == 1

    def test_who_leaves_early_has_not_finished(self, ends):
        actor, learner = ends
        actor.close()
        until(lambda: learner.count_actors(5.0) == 0)
        assert learner.finished_actors == 0

    def test_the_actor_sees_when_the_learner_is_gone(self, ends):
        actor, learner = ends
        assert actor.is_connected
        learner.close()
        until(lambda: not actor.is_connected)
        actor.send(make_record(0, 0))
        assert actor.unacknowledged == 1

    def test_a_closed_end_says_so(self, ends):
        actor, learner = ends
        for end in (actor, learner):
            end.close()
            end.close()
        assert not actor.is_connected
        waits = (lambda: actor.flush(0.1), lambda: actor.wait_taken(0.1))
        for verb in (lambda: actor.send(make_record(0, 0)), actor.latest, *waits):
            with pytest.raises(ChannelError, match="closed"):
                verb()
        offers = (lambda: learner.publish(Weights(0, {})), lambda: learner.announce(0, {}), lambda: learner.wait(0.1))
        for verb in (learner.drain, learner.acknowledge, *offers):
            with pytest.raises(ChannelError, match="closed"):
                verb()

    def test_closing_with_records_at_risk_is_logged(self, ends, caplog):
        actor = ends[0]
        actor.send(make_record(0, 0))
        actor.send(make_record(0, 1))
        actor.close()
        assert "2 records" in caplog.text
