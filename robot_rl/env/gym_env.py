"""The environment as a `gymnasium.Env`, for people who bring their own learner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from robot_rl.env.robot_env import RobotEnv
from robot_rl.types import Observation, TimeStep

GymObservation = dict[str, Any]
Image = NDArray[np.uint8]


class GymEnv(gymnasium.Env[GymObservation, NDArray[np.float32]]):
    """Adapts a `RobotEnv`.

    Observations are a Dict of the named proprioceptive parts (float32) and of one uint8 image per camera.

    `info` of a step holds `applied_action` (what the robot executed: store this, not the action that was asked
    for), `source` ("policy" or "human"), `is_success`, `corrections`, a list of (reason, detail), and `is_resumed`:
    a person paused during the step, so store no transition of it.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (gymnasium's interface)

    def __init__(
        self, env: RobotEnv, capture: Callable[[], Image] | None = None, render_mode: str | None = None
    ) -> None:
        """Adapt `env`.

        Args:
            env: the environment.
            capture: takes a picture for `render`.
            render_mode: "rgb_array" or None.
        """
        if render_mode not in (None, *self.metadata["render_modes"]):
            valid = self.metadata["render_modes"]
            raise ValueError(f"render_mode must be one of {valid} or None, got {render_mode!r}.")
        self._env, self._capture = env, capture
        self.metadata = {**self.metadata, "render_fps": round(env.config.rate_hz)}
        self.render_mode = render_mode
        spec = env.spec
        parts: dict[str, spaces.Space[Any]] = {
            name: spaces.Box(-np.inf, np.inf, part.shape, np.float32) for name, part in spec.observation.proprio.items()
        }
        for name, image in spec.observation.images.items():
            parts[name] = spaces.Box(0, 255, image.shape, np.uint8)
        self.observation_space: spaces.Space[GymObservation] = spaces.Dict(parts)
        self.action_space = spaces.Box(-1.0, 1.0, (spec.action_size,), np.float32)

    @property
    def robot_env(self) -> RobotEnv:
        """The environment behind the adapter."""
        return self._env

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[GymObservation, dict[str, Any]]:
        """Start an episode; `seed` makes it and the following ones reproducible. There are no options."""
        super().reset(seed=seed)
        del options
        time_step = self._env.reset(seed)
        return _to_dict(time_step.observation), self._make_info(time_step)

    def step(self, action: NDArray[np.float32]) -> tuple[GymObservation, float, bool, bool, dict[str, Any]]:
        """One control step: (observation, reward, terminated, truncated, info)."""
        time_step = self._env.step(action)
        is_truncated = time_step.is_last and not time_step.is_terminal
        return (
            _to_dict(time_step.observation),
            float(time_step.reward),
            time_step.is_terminal,
            is_truncated,
            self._make_info(time_step),
        )

    def render(self) -> Image | None:
        """A picture of the scene in mode "rgb_array"."""
        if self.render_mode is None or self._capture is None:
            return None
        return self._capture()

    def _make_info(self, time_step: TimeStep) -> dict[str, Any]:
        return {
            "applied_action": time_step.applied_action,
            "source": time_step.source.name.lower(),
            "is_success": self._env.outcome.is_success,
            "is_resumed": time_step.is_resumed,
            "corrections": [(c.reason.value, c.detail) for c in self._env.corrections],
        }


def _to_dict(observation: Observation) -> GymObservation:
    return {**observation.proprio, **observation.images}
