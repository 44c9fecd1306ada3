"""From the replay memory to the agent: batches as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from robot_rl.agents.agent import AgentConfig
from robot_rl.agents.batch import Batch, Observations
from robot_rl.agents.encoders.augmentation import random_crop
from robot_rl.agents.gripper import grasp_penalty
from robot_rl.data.replay import Replay, Sample
from robot_rl.data.step_ring import Windows, is_human
from robot_rl.specs import EnvironmentSpec


class BatchMaker:
    """Draws batches; everything random about them comes from its two generators."""

    def __init__(self, replay: Replay, config: AgentConfig, gamma: float, seed: int, device: str = "cpu") -> None:
        self._replay, self._config, self._gamma, self._device = replay, config, gamma, device
        self.generator = np.random.default_rng(seed)
        self.crop_generator = torch.Generator().manual_seed(seed)
        self._openings = _find_openings(replay.spec)
        self._is_pinned = torch.device(device).type == "cuda"

    def draw(self) -> Batch:
        """A batch of the configured size, on the device.

        Raises:
            SpecError: there is nothing to draw yet.
        """
        config = self._config
        sample = self._replay.sample(
            self.generator,
            config.batch_size,
            config.window,
            self._gamma,
            config.takeover_discount,
            crosses_hands=config.is_chunked,
            has_returns=config.is_conservative,
        )
        return self._to_batch(sample, self.generator, self.crop_generator)

    def at(self, rows: NDArray[np.int64]) -> Batch:
        """The transitions of the run that begin at these rows; what is random about them is always the same."""
        generator, config = np.random.default_rng(0), self._config
        sample = self._replay.gather(
            [("online", rows)],
            generator,
            config.window,
            self._gamma,
            config.takeover_discount,
            crosses_hands=config.is_chunked,
        )
        return self._to_batch(sample, generator, torch.Generator().manual_seed(0))

    def _to_batch(self, sample: Sample, generator: np.random.Generator, crops: torch.Generator) -> Batch:
        config, windows = self._config, sample.windows
        action = self._to_device(_to_chunks(windows, generator) if config.is_chunked else windows.actions[:, 0])
        is_whole = windows.mask[:, -1] | (windows.discount == 0.0) | (not config.is_chunked)
        return Batch(
            observations=self._to_observations(sample.proprio, sample.visual, windows.base_actions, crops),
            action=action,
            reward=self._to_device(windows.reward + self._bias(windows.mask)),
            discount=self._to_device(windows.discount),
            following=self._to_observations(sample.next_proprio, sample.next_visual, windows.next_base_actions, crops),
            is_human=self._to_device(is_human(windows.source)),
            is_whole=self._to_device(is_whole),
            penalty=self._penalty(sample, action),
            returns=None if sample.returns is None else self._to_device(sample.returns),
            is_made=self._to_device(_find_made(windows)) if config.is_chunked else None,
        )

    def _to_observations(
        self,
        proprio: NDArray[np.float32],
        visual: Mapping[str, NDArray[Any]],
        base_actions: NDArray[np.float32],
        crops: torch.Generator,
    ) -> Observations:
        base = self._to_device(base_actions) if base_actions.shape[1] else None
        return Observations(self._to_device(proprio), self._to_visual(visual, crops), base)

    def _bias(self, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
        """What the bias of the reward adds up to over each window, shape (B,)."""
        weights = self._config.reward_bias * self._gamma ** np.arange(mask.shape[1])
        return (mask @ weights).astype(np.float32)

    def _penalty(self, sample: Sample, action: Tensor) -> Tensor:
        if not self._replay.spec.has_gripper:
            return torch.zeros(len(action), device=self._device)
        openings = self._to_device(sample.windows.proprio[:, self._openings])
        return grasp_penalty(
            openings,
            action[:, : self._replay.spec.action_size],
            self._config.grasp_penalty,
            self._config.grasp_open_from,
        )

    def _to_visual(self, visual: Mapping[str, NDArray[Any]], crops: torch.Generator) -> dict[str, Tensor]:
        """Images, each camera's shifted by itself, or features as they are."""
        tensors = {}
        for camera, values in visual.items():
            tensor = torch.from_numpy(values)
            if tensor.dtype == torch.uint8:
                tensor = random_crop(tensor, crops, self._config.encoder.crop_pad_px)
            tensors[camera] = self._move(tensor)
        return tensors

    def _to_device(self, values: NDArray[Any]) -> Tensor:
        return self._move(torch.from_numpy(values))

    def _move(self, tensor: Tensor) -> Tensor:
        """On the device; from pinned memory the copy does not wait."""
        if self._is_pinned:
            return tensor.pin_memory().to(self._device, non_blocking=True)
        return tensor

    def state(self) -> dict[str, Any]:
        """Where the generators stand."""
        return {"batches": self.generator.bit_generator.state, "crops": self.crop_generator.get_state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.generator.bit_generator.state = state["batches"]
        self.crop_generator.set_state(state["crops"])


def _to_chunks(windows: Windows, generator: np.random.Generator) -> NDArray[np.float32]:
    """All actions of each window, (B, K A).

    After the end of an episode any action would have been as good: random ones tell the critics so.
    """
    missing = generator.uniform(-1.0, 1.0, windows.actions.shape).astype(np.float32)
    return np.where(windows.mask[..., None], windows.actions, missing).reshape(len(missing), -1)


def _find_made(windows: Windows) -> NDArray[np.bool_]:
    """Which elements of `_to_chunks` somebody made, (B, K A)."""
    return np.repeat(windows.mask, windows.actions.shape[2], axis=1)


def _find_openings(spec: EnvironmentSpec) -> slice:
    """Which proprioceptive values are the grippers' openings."""
    start = 0
    for name, part in spec.observation.proprio.items():
        size = int(np.prod(part.shape))
        if name == "gripper":
            return slice(start, start + size)
        start += size
    return slice(0, 0)
