"""Time steps in memory, each observation stored once, and the windows that are cut from them at read time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from robot_rl.data.frames import FrameKind, Images, make_frame_store
from robot_rl.errors import SpecError
from robot_rl.specs import EnvironmentSpec
from robot_rl.types import Source, StepType, TimeStep

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

NOBODY = -1
"""No row: the successor of an episode's last time step, or of one whose successor never came."""


@dataclass(frozen=True)
class Windows:
    """Windows of up to n steps; B of them.

    Attributes:
        proprio: observation at the start, shape (B, P).
        actions: executed actions, shape (B, n, A); zeros where the mask is False.
        mask: which steps belong to the window, shape (B, n).
        reward: sum over the window of gamma^k r_k, shape (B,).
        discount: gamma^m times the product of the environment's discounts, m the window's length: multiplies the
            value of `next_proprio`, shape (B,). Where a person took the robot from the policy right at the end, also
            times what was asked for.
        next_proprio: observation at the end, shape (B, P).
        source: who chose the actions, shape (B,); of a window in which the robot changes hands, the policy.
        rows: numbers of the starts, shape (B,).
        next_rows: numbers of the ends, shape (B,).
        base_actions, next_base_actions: of the base policy at the start and at the end, shape (B, A); (B, 0) where
            the ring has none.
    """

    proprio: Floats
    actions: Floats
    mask: NDArray[np.bool_]
    reward: Floats
    discount: Floats
    next_proprio: Floats
    source: NDArray[np.int8]
    rows: Rows
    next_rows: Rows
    base_actions: Floats
    next_base_actions: Floats


class StepRing:
    """The newest `capacity` time steps, numbered from 0 in the order of arrival.

    A row holds what `RobotEnv` returned: the observation, and the action, reward and discount that led to it. A
    transition is a row and its successor; they are linked, not neighbours, so that several actors may interleave.
    A step that got lost leaves its predecessor without a successor: no window reaches across a gap.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        capacity: int,
        frames: FrameKind = "raw",
        directory: Path | None = None,
        *,
        has_base: bool = False,
        keeps_images: bool = True,
    ) -> None:
        """Reserve memory for `capacity` rows.

        Args:
            spec: of the environment.
            capacity: rows.
            frames: how images are kept, see `make_frame_store`.
            directory: of their files.
            has_base: whether observations carry a base policy's action.
            keeps_images: whether anybody asks for them.
        """
        if capacity < 2:
            raise SpecError(f"a ring needs room for at least 2 time steps, got {capacity}.")
        self.spec, self.capacity = spec, capacity
        self.proprio = np.zeros((capacity, spec.observation.proprio_size), np.float32)
        self.action = np.zeros((capacity, spec.action_size), np.float32)
        self.base_action = np.zeros((capacity, spec.action_size if has_base else 0), np.float32)
        self.has_base = has_base
        self.reward = np.zeros(capacity, np.float32)
        self.discount = np.zeros(capacity, np.float32)
        self.source = np.zeros(capacity, np.int8)
        self._frames = {
            name: make_frame_store(frames, capacity, image.shape[0], image.shape[1], directory)
            for name, image in spec.observation.images.items()
            if keeps_images
        }
        self._number = np.full(capacity, NOBODY, np.int64)
        self._successor = np.full(capacity, NOBODY, np.int64)
        self._predecessor = np.full(capacity, NOBODY, np.int64)
        self._open: dict[int, tuple[int, int]] = {}  # episode -> (number, step) of its newest row
        self.count = 0
        """Time steps that ever arrived."""
        self.has_transition = False
        """Whether two successive time steps ever arrived: from then on there is something to sample."""

    def __len__(self) -> int:
        """Number of rows held."""
        return min(self.count, self.capacity)

    def append(self, time_step: TimeStep, episode: int, step: int) -> int:
        """Add a time step and return its number.

        Args:
            time_step: as the environment returned it.
            episode: unique number of the episode.
            step: index of the time step in its episode, 0 for the first.

        Raises:
            SpecError: the base policy's action is missing.
        """
        number = self.count
        slot = number % self.capacity
        observation = time_step.observation
        if self.has_base:
            if observation.base_action is None:
                raise SpecError(f"step {step} of episode {episode} has no action of the base policy.")
            self.base_action[slot] = observation.base_action
        self.proprio[slot] = np.concatenate([observation.proprio[name] for name in self.spec.observation.proprio])
        for name, store in self._frames.items():
            store.put(slot, observation.images[name])
        self.action[slot] = time_step.applied_action
        self.reward[slot] = time_step.reward
        self.discount[slot] = time_step.discount
        self.source[slot] = time_step.source
        self._number[slot] = number
        self._successor[slot] = self._predecessor[slot] = NOBODY
        before = self._take_open(episode, step)
        if before != NOBODY and time_step.step_type is not StepType.FIRST:
            self._successor[before % self.capacity] = number
            self._predecessor[slot] = before
            self.has_transition = True
        if not time_step.is_last:
            self._open[episode] = (number, step)
        self.count += 1
        return number

    def end_at_takeover(self, episode: int, step: int, share: float) -> None:
        """A person took the robot at this step, which is not appended: what came of it counts for `share`.

        Nothing happens where the ring's newest row of that episode is not the one before.
        """
        before = self._take_open(episode, step)
        if before != NOBODY:
            self.discount[before % self.capacity] *= np.float32(share)

    def _take_open(self, episode: int, step: int) -> int:
        """Number of the row that this step follows, or NOBODY; whatever it is, nothing else will follow it."""
        number, newest = self._open.pop(episode, (NOBODY, NOBODY))
        is_held = number != NOBODY and newest == step - 1 and self._number[number % self.capacity] == number
        return number if is_held else NOBODY

    def predecessor(self, row: int) -> int:
        """Number of the time step before `row` in its episode, or NOBODY."""
        before = int(self._predecessor[row % self.capacity])
        return before if before != NOBODY and self._number[before % self.capacity] == before else NOBODY

    def has_successor(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows are still held and begin a transition."""
        slots = rows % self.capacity
        return np.asarray((self._number[slots] == rows) & (self._successor[slots] != NOBODY))

    def sample_starts(self, generator: np.random.Generator, count: int) -> Rows:
        """Numbers of `count` rows that begin a transition, uniformly with replacement.

        Raises:
            SpecError: the ring holds no transition.
        """
        first = self.count - len(self)
        chosen = np.empty(0, np.int64)
        for _ in range(1000):
            drawn = generator.integers(first, self.count, 2 * count) if self.count else chosen
            chosen = np.concatenate([chosen, drawn[self.has_successor(drawn)]])
            if len(chosen) >= count:
                return chosen[:count]
        raise SpecError("the ring holds no transition to sample.")

    def windows(
        self, starts: Rows, length: int, gamma: float, takeover_discount: float = 1.0, *, crosses_hands: bool = False
    ) -> Windows:
        """Cut windows of up to `length` steps that begin at rows which begin a transition.

        A window ends at the end of its episode, at a gap, and where the robot changes hands: a person's return says
        nothing about the policy's action before it. For a critic that sees all actions of the window, that does not
        matter, and `crosses_hands`. What comes after a person took the robot from the policy counts for
        `takeover_discount` of it, here and in `returns`.
        """
        rows = starts.copy()
        count = len(starts)
        actions = np.zeros((count, length, self.action.shape[1]), np.float32)
        mask = np.zeros((count, length), np.bool_)
        reward = np.zeros(count, np.float32)
        discount = np.ones(count, np.float32)
        is_open = np.ones(count, np.bool_)
        source = np.zeros(count, np.int8)
        for k in range(length):
            following = self._successor[rows % self.capacity]
            slots = following % self.capacity
            if k == 0:
                source = self.source[slots]
            is_open &= following != NOBODY
            is_same = self.source[slots] == source
            if crosses_hands:
                source = np.where(is_open & ~is_same, np.int8(Source.POLICY), source)
            else:
                is_open &= is_same
            reward += np.where(is_open, discount * self.reward[slots], 0.0)
            discount *= np.where(is_open, np.float32(gamma) * self.discount[slots], 1.0)
            actions[is_open, k] = self.action[slots[is_open]]
            mask[:, k] = is_open
            rows = np.where(is_open, following, rows)
            discount *= np.where(is_open & self._is_taken_over(rows), np.float32(takeover_discount), 1.0)
        return Windows(
            self.proprio[starts % self.capacity],
            actions,
            mask,
            reward,
            discount,
            self.proprio[rows % self.capacity],
            source,
            starts,
            rows,
            self.base_action[starts % self.capacity],
            self.base_action[rows % self.capacity],
        )

    def returns(self, starts: Rows, gamma: float, takeover_discount: float = 1.0) -> Floats:
        """Discounted sum of the rewards from `starts` to the ends of their episodes, or to a gap, shape (B,).

        What comes after a person took the robot from the policy counts for `takeover_discount` of it, but from a start
        right there: that is about what the person did.
        """
        rows = starts.copy()
        total = np.zeros(len(starts), np.float32)
        weight = np.ones(len(starts), np.float32)
        following = self._successor[rows % self.capacity]
        while (is_open := following != NOBODY).any():
            slots = following % self.capacity
            total += np.where(is_open, weight * self.reward[slots], 0.0)
            rows = np.where(is_open, following, rows)
            weight *= np.float32(gamma) * np.where(self._is_taken_over(rows), np.float32(takeover_discount), 1.0)
            following = np.where(is_open, self._successor[slots], NOBODY)
        return total

    def _is_taken_over(self, rows: Rows) -> NDArray[np.bool_]:
        """Whether a person took the robot from the policy at these rows, which the policy's actions led to."""
        following = self._successor[rows % self.capacity]
        is_by_person = (following != NOBODY) & (self.source[following % self.capacity] == Source.HUMAN)
        return np.asarray(is_by_person & (self.source[rows % self.capacity] == Source.POLICY))

    @property
    def frame_bytes(self) -> int:
        """Bytes that the images take, in memory or on disk."""
        return sum(store.nbytes for store in self._frames.values())

    def images(self, rows: Rows) -> dict[str, Images]:
        """The images at `rows` by camera, uint8 (B, H, W, 3): those of `Windows.rows` and of `Windows.next_rows`.

        Raises:
            SpecError: a row is not held, or not any more.
        """
        is_held = (rows >= 0) & (self._number[rows % self.capacity] == rows)
        if not is_held.all():
            raise SpecError(f"the ring does not hold the rows {rows[~is_held][:20].tolist()}.")
        return {name: store.get(rows % self.capacity) for name, store in self._frames.items()}

    def stacked(self, rows: Rows, frames: int) -> Floats:
        """The observations at `rows` and before, oldest first, shape (B, frames, P); the first one is repeated."""
        out = np.empty((len(rows), frames, self.proprio.shape[1]), np.float32)
        current = rows.copy()
        for k in reversed(range(frames)):
            out[:, k] = self.proprio[current % self.capacity]
            before = self._predecessor[current % self.capacity]
            is_held = (before != NOBODY) & (self._number[before % self.capacity] == before)
            current = np.where(is_held, before, current)
        return out


def concatenate(parts: Sequence[Windows]) -> Windows:
    """Windows of several rings as one batch; their rows keep the numbers of their own rings."""
    columns = ([getattr(part, field.name) for part in parts] for field in fields(Windows))
    return Windows(*(np.concatenate(column) for column in columns))


def is_human(windows_source: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Which sources are a person, in the run or in a demonstration."""
    return np.isin(windows_source, (Source.HUMAN, Source.DEMO))
