"""Recordings in which a success can be seen at a glance, and stores of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from robot_rl.data.episode import Episode
from robot_rl.data.store_writer import StoreWriter
from robot_rl.env.observation import make_observation_spec
from robot_rl.specs import EnvironmentSpec

SIZE_PX = 32
CAMERAS = ("wrist", "side")
SPEC = EnvironmentSpec(make_observation_spec(6, dict.fromkeys(CAMERAS, (SIZE_PX, SIZE_PX))), 6, 100, 10.0)

SUCCESS = (40, 220, 60)
DECOY = (220, 60, 40)


def make_image(generator, colour=None, place=None):
    """Noise, and perhaps a square in it."""
    image = generator.integers(60, 120, (SIZE_PX, SIZE_PX, 3)).astype(np.uint8)
    if colour is not None:
        top, left = generator.integers(4, 16, 2) if place is None else place
        image[top : top + 12, left : left + 12] = colour
    return image


def make_episode(generator, length=6, *, shows=(), is_success=None, rewards=None, is_terminal=None, start_ns=0):
    """`length` steps; `shows` are (step, colour): the square that both cameras see at a time step.

    Without `shows`, a success is seen at the last step if there is one.
    """
    is_success = bool(shows) if is_success is None else is_success
    if not shows and is_success:
        shows = [(length, SUCCESS)]
    colours = dict(shows)
    images = {
        name: np.stack([make_image(generator, colours.get(step)) for step in range(length + 1)]) for name in CAMERAS
    }
    paid = np.zeros(length, np.float32) if rewards is None else np.asarray(rewards, np.float32)
    if rewards is None and is_success:
        paid[-1] = 1.0
    return Episode(
        proprio={
            name: np.zeros((length + 1, *spec.shape), np.float32) for name, spec in SPEC.observation.proprio.items()
        },
        images=images,
        stamps_ns=np.arange(length + 1, dtype=np.int64) * 100_000_000 + start_ns,
        actions=generator.uniform(-1, 1, (length, 6)).astype(np.float32),
        rewards=paid,
        sources=np.zeros(length, np.int8),
        policy_versions=np.zeros(length, np.int64),
        is_terminal=is_success if is_terminal is None else is_terminal,
        is_success=is_success,
    )


def write_store(path: Path, episodes):
    """A recording of episodes."""
    with StoreWriter(path, SPEC, {"task": "synthetic"}) as store:
        for number, episode in enumerate(episodes):
            for record in episode.records(number):
                store.append(record)
            store.flush(60.0)
    return path


def make_episodes(generator, successes, failures, **values):
    """Of both kinds, in turn."""
    out = [make_episode(generator, is_success=True, start_ns=k, **values) for k in range(successes)]
    out += [make_episode(generator, is_success=False, start_ns=k, **values) for k in range(failures)]
    return out


class StubPredictor:
    """Says what it is told, one row of probabilities an image."""

    def __init__(self, rows, outputs=("success",), thresholds=None, cameras=()):
        self.rows, self.outputs, self.cameras = list(rows), tuple(outputs), tuple(cameras)
        self.thresholds = tuple(thresholds or [0.5] * len(self.outputs))

    def __call__(self, images):
        return np.atleast_1d(np.asarray(self.rows.pop(0), float))
