"""The environment. The only place where an intervention is decided, and where an action becomes a command.

A control step lasts one policy period. A person's device is read `teleop_rate_hz` times within it, so that a
takeover starts at once and not at the next step. What the step stores as its action is the mean over the period
of what was asked for, through the same action map and the same safety filter for policy and person, after all
corrections: what the robot executed.

A person may pause: the robot rests from that tick on, and the step lasts until they go on. Then the robot is observed
anew, for the world may have been changed meanwhile, and the time step says that it is no transition.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robot_rl.clock import NS_PER_S, Clock, to_ns
from robot_rl.control.action_map import ActionMap
from robot_rl.control.safety import SafetyFilter, SafetyLimits
from robot_rl.env.base_actions import BaseActions
from robot_rl.env.observation import make_observation, make_observation_spec
from robot_rl.env.resets import Reset
from robot_rl.env.takeover import Takeover
from robot_rl.env.task import EpisodeConfig, Task
from robot_rl.errors import EpisodeError, StoppedError
from robot_rl.geometry import Pose
from robot_rl.robot.protocols import Teleop
from robot_rl.robot.robot import Robot, RobotReading
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import (
    ArmState,
    Button,
    Correction,
    Observation,
    Outcome,
    Reason,
    RobotCommand,
    Source,
    TimeStep,
    check_not_stopped,
    restart,
    running,
    termination,
    truncation,
)

_log = logging.getLogger(__name__)

_HOLDING = frozenset({Reason.NOT_FINITE, Reason.STALE_COMMAND, Reason.STALE_STATE, Reason.WRENCH})
"""Corrections after which a command moves nothing; whoever looks on wonders why."""


def make_safety_filter(config: EpisodeConfig) -> SafetyFilter:
    """The filter of everything that is commanded while a task runs."""
    limits = SafetyLimits(
        box_lower_m=config.box_lower_m,
        box_upper_m=config.box_upper_m,
        max_tilt_rad=config.max_tilt_rad,
        max_force_n=config.max_force_n,
        max_command_age_s=1.0 / config.rate_hz + 0.1,  # a takeover refines the command until its period ends
    )
    return SafetyFilter(limits, 1.0 / config.rate_hz)


class RobotEnv:
    """A robot, a task and perhaps a person, as an episodic environment."""

    def __init__(
        self,
        robot: Robot,
        task: Task,
        reset_procedure: Reset,
        clock: Clock,
        config: EpisodeConfig,
        teleop: Teleop | None = None,
        base: BaseActions | None = None,
    ) -> None:
        """Store the parts; nothing moves before `reset`."""
        self.base = base
        self.robot, self.task, self.clock, self.config = robot, task, clock, config
        self._reset_procedure = reset_procedure
        self.action_map = ActionMap(
            config.translation_scale_m,
            config.rotation_scale_rad,
            robot.max_width_m if config.has_gripper else None,
            config.action_frame,
            config.action_reference,
        )
        self._safety = make_safety_filter(config)
        self._takeover = Takeover(teleop, clock, config.takeover_dead_band, config.takeover_hold_s)
        self._ticks = max(1, round(config.teleop_rate_hz / config.rate_hz)) if teleop else 1
        self._generator = np.random.default_rng()
        self._reading: RobotReading | None = None
        self._reset_pose = Pose()
        self._rest_pose = Pose()
        self._step_count = 0
        self._period_ns = to_ns(1.0 / config.rate_hz)
        self._period_start_ns = 0
        self._corrections: list[Correction] = []
        self._told: set[Reason] = set()
        self.outcome = Outcome()

    @property
    def spec(self) -> EnvironmentSpec:
        """Specs of observation and action; reads each camera once to learn the image sizes."""
        return self.own_spec if self.base is None else self.base.extend(self.own_spec)

    @property
    def own_spec(self) -> EnvironmentSpec:
        """The spec without what a base policy says."""
        shapes = {name: camera.read()[1].shape[:2] for name, camera in self.robot.cameras.items()}
        return EnvironmentSpec(
            make_observation_spec(self.task.estimate_size, {k: (v[0], v[1]) for k, v in shapes.items()}),
            self.action_map.action_size,
            self.config.step_limit,
            self.config.rate_hz,
        )

    def reset(self, seed: int | None = None) -> TimeStep:
        """Start an episode.

        Args:
            seed: makes this and the following episodes reproducible.

        Raises:
            StoppedError: the robot is stopped, before or during the reset; nothing is cleared silently.
        """
        if seed is not None:
            self._generator = np.random.default_rng(seed)
        self._reading = None  # should the reset fail, there is no episode
        check_not_stopped(self.robot.arm.state().stop)
        self._reset_procedure.run(self.robot, self.clock, self._safety, int(self._generator.integers(2**63)))
        self.robot.arm.set_impedance(self.config.impedance)
        self._takeover.reset(int(self._generator.integers(2**31)))
        self._safety.reset()
        self._step_count = 0
        self._corrections.clear()
        self._told.clear()
        self.outcome = Outcome()
        self._period_start_ns = self.clock.now_ns()
        reading = self._look()
        check_not_stopped(reading.state.stop)
        self._reading = reading
        self._reset_pose = self._rest_pose = reading.state.tcp_pose
        time_step = restart(self._observe(reading), self.action_map.action_size)
        if self.base is None:
            return time_step
        self.base.begin(seed)
        return self.base.attach(time_step)

    def _look(self) -> RobotReading:
        """Read all devices. Where a camera has frozen, the arm is stopped: whoever acts on its pictures is blind."""
        reading = self.robot.observe()
        for name, stamp_ns in reading.image_stamps_ns.items():
            age_s = (self.clock.now_ns() - stamp_ns) / NS_PER_S
            if abs(age_s) > self.config.max_image_age_s and reading.state.stop is None:
                when = "old" if age_s > 0.0 else "ahead of the clock, which says nothing of its age"
                detail = f"the newest picture of camera {name!r} is {abs(age_s):.2f} s {when}"
                self.robot.stop(Reason.STALE_IMAGE, detail)
                return replace(reading, state=self.robot.arm.state())
        return reading

    def step(self, action: ArrayLike) -> TimeStep:
        """Run one policy period and return what came of it; if a person has paused, after they have gone on.

        Args:
            action: normalised, shape (A,). Values beyond [-1, 1] are clipped; one that is not finite makes the
                arm hold. Both are reported in `corrections`.

        Raises:
            ActionError: wrong shape.
            EpisodeError: no episode is running.
        """
        time_step = self._step(action)
        return time_step if self.base is None else self.base.attach(time_step)

    def _step(self, action: ArrayLike) -> TimeStep:
        wanted = self.action_map.validate(action)
        if self._reading is None:
            raise EpisodeError("step() needs a running episode: call reset() first, also after the last time step.")
        self._corrections.clear()
        applied, source = self._act(self._clip(wanted), self._reading)
        self._step_count += 1
        self._tell_holds()
        before = self._reading = self._look()
        found = self.task.evaluate(before)  # asked once: who has paid for a reading does not pay for it again
        time_step = self._judge(before, found, applied, source)
        if not self._takeover.is_paused:
            return time_step
        self._sit_out_pause()
        if self._takeover.buttons:  # they have ended the episode, as it was when they paused
            return self._judge(before, found, applied, source)
        if time_step.is_last:
            return time_step
        self._reading = self._look()
        resumed = self._judge(self._reading, self.task.evaluate(self._reading), applied, source)
        return replace(resumed, reward=time_step.reward + resumed.reward, is_resumed=True)  # what was paid is not lost

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """What the last step changed in its action and commands, each with its reason."""
        return tuple(self._corrections)

    def _tell_holds(self) -> None:
        """Log why the robot was held, each reason once an episode."""
        for correction in self._corrections:
            if correction.reason in _HOLDING and correction.reason not in self._told:
                self._told.add(correction.reason)
                _log.warning("step %d: the robot holds: %s", self._step_count, correction.detail)

    def _clip(self, action: NDArray[np.float32]) -> NDArray[np.float32]:
        if not np.isfinite(action).all():
            self._corrections.append(
                Correction(Reason.NOT_FINITE, float("nan"), f"action {action} is not finite: held")
            )
            return np.zeros_like(action)
        clipped = np.clip(action, -1.0, 1.0)
        excess = float(np.max(np.abs(action - clipped)))
        if excess > 0.0:
            self._corrections.append(Correction(Reason.OUT_OF_RANGE, excess, f"action {action} was clipped to [-1, 1]"))
        return clipped

    def _act(self, action: NDArray[np.float32], reading: RobotReading) -> tuple[NDArray[np.float32], Source]:
        """Command one period, tick by tick; return the action executed in all, and whose it was."""
        tick_ns = self._period_ns // self._ticks
        now_ns = self.clock.now_ns()
        is_set_back = now_ns < self._period_start_ns - tick_ns  # nobody obeys a command of the future
        if is_set_back or now_ns >= self._period_start_ns + self._period_ns:
            self._period_start_ns = now_ns  # an overrun delays the schedule, it is not caught up with
        measured = reading.state.tcp_pose
        reference = measured if self.action_map.reference == "measured" else self._rest_pose
        source, asked = Source.POLICY, action
        part, part_start = action, 0  # what is executed since when
        past = np.zeros_like(action)  # sum over the ticks of what earlier parts of this period executed
        applied = np.zeros_like(action)
        for tick in range(self._ticks):
            human = self._takeover.read(self.action_map, reference)
            if human is not None:
                source, wanted = Source.HUMAN, human
            elif source is Source.POLICY and not self._takeover.is_paused:
                wanted = asked
            else:  # after a hand-back the policy's old action is outdated: rest until the next step
                wanted = np.zeros_like(action)
            if tick == 0 or not np.array_equal(wanted, asked):
                past += part * np.float32(tick - part_start)
                asked, part_start, rest = wanted, tick, self._ticks - tick
                whole = wanted if tick == 0 else ((past + wanted * rest) / self._ticks).astype(np.float32)
                whole[6:] = wanted[6:]  # a gripper does not go halfway
                told = applied[6:]
                applied = self._send(whole, reference, self.robot.arm.state() if tick else reading.state)
                is_corrected = not np.array_equal(applied[:6], whole[:6])
                part = ((applied * self._ticks - past) / rest).astype(np.float32) if is_corrected else wanted
                # A gripper that was told to move in this period goes on moving when the button is let go.
                applied[6:] = np.where(applied[6:] == 0.0, told, applied[6:])
            self._end_tick(tick, tick_ns)
        self._period_start_ns += self._period_ns
        return applied, source

    def _end_tick(self, tick: int, tick_ns: int) -> None:
        """Wait for the end of a tick of this period."""
        now_ns = self.clock.now_ns()
        if self._period_start_ns + (tick - 1) * tick_ns > now_ns:  # the clock was set back: the tick began just now
            self._period_start_ns = now_ns - tick * tick_ns
        self.clock.sleep_until_ns(self._period_start_ns + (tick + 1) * tick_ns)

    def _send(self, action: NDArray[np.float32], reference: Pose, state: ArmState) -> NDArray[np.float32]:
        """Make a command of an action, make it safe, send it; return the action that it amounts to."""
        command = RobotCommand(
            self.action_map.to_pose(action, reference), self._period_start_ns, self.action_map.to_width(action)
        )
        now_ns = self.clock.now_ns()
        filtered = self._safety.filter(command, state, now_ns)
        applied = action
        if filtered.corrections:
            self._corrections.extend(filtered.corrections)
            # The nearest safe pose may be a little more than an action can say, and what cannot be said cannot be
            # stored: go only as far as an action does, if that is safe too.
            applied = self.action_map.to_action(filtered.command.pose, reference)
            said = self.action_map.to_pose(applied, reference)
            filtered = self._safety.filter(replace(filtered.command, pose=said), state, now_ns)
            if filtered.corrections:
                applied = self.action_map.to_action(filtered.command.pose, reference)
        try:
            self.robot.apply(filtered.command)
        except StoppedError as error:
            self._corrections.append(Correction(Reason.STOPPED, 1.0, str(error)))
            return np.zeros_like(action)
        self._rest_pose = filtered.command.pose
        if self.config.has_gripper:
            # What the gripper did is one of three things; anything between is not what was executed.
            width_m = filtered.command.width_m
            applied = applied.copy()
            applied[6] = 0.0 if width_m is None else 1.0 if width_m > 0.0 else -1.0
        return applied

    def _sit_out_pause(self) -> None:
        """Hold until the person goes on, or ends the episode; or until the arm is stopped."""
        tick_ns = self._period_ns // self._ticks
        while True:
            self._takeover.read(self.action_map, self._rest_pose)
            if not self._takeover.is_paused or self._takeover.buttons or self.robot.arm.state().stop is not None:
                break
            self.clock.sleep_until_ns(self.clock.now_ns() + tick_ns)
        self._period_start_ns = self.clock.now_ns()

    def _judge(self, reading: RobotReading, found: Outcome, applied: NDArray[np.float32], source: Source) -> TimeStep:
        """Turn the end of a period, of which the task says what it found, into a time step.

        It may be ended by the task, by a person, by a stop, by time, or not.
        """
        observation = self._observe(reading)
        self.outcome = found
        buttons = self._takeover.buttons
        if Button.SUCCESS in buttons:
            self.outcome = Outcome(1.0, is_terminal=True, is_success=True)
        elif Button.FAILURE in buttons:
            self.outcome = Outcome(0.0, is_terminal=True)
        if self.outcome.is_terminal:
            self._reading = None
            return termination(observation, self.outcome.reward, applied, source)
        stop = reading.state.stop
        if stop is not None:
            self._corrections.append(Correction(Reason.STOPPED, 1.0, f"{stop.reason.value}: {stop.detail}"))
        if stop is not None or Button.ABORT in buttons or self._step_count >= self.config.step_limit:
            self._reading = None
            return truncation(observation, self.outcome.reward, applied, source)
        return running(observation, self.outcome.reward, applied, source)

    def _observe(self, reading: RobotReading) -> Observation:
        return make_observation(reading, self._reset_pose, self.robot.max_width_m, self.task.estimate(reading))
