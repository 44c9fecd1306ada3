"""The training of a base policy: windows of demonstrations, an optimiser, and an average that is kept."""

from __future__ import annotations

import copy
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robot_rl.data.chunks import ChunkRows
from robot_rl.errors import CheckpointError, ConfigError, DivergenceError
from robot_rl.policies.chunk_network import ChunkBatch, ChunkNetwork
from robot_rl.policies.ema import MovingAverage
from robot_rl.runtime.pretraining.config import PretrainConfig

_VALIDATION_ROWS = 1024
_MAX_GRADIENT = 1.0


@dataclass
class Losses:
    """What was seen at which step of the optimiser."""

    steps: list[int] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)


class Trainer:
    """A network, its data and its optimiser; goes on bit for bit from a state."""

    def __init__(
        self, network: ChunkNetwork, rows: ChunkRows, tokens: Mapping[str, Tensor], config: PretrainConfig, device: str
    ) -> None:
        """Fit the scales, and divide the episodes.

        Args:
            network: untrained.
            rows: demonstrations.
            tokens: camera -> what the backbone made of every row's image; empty without cameras.
            config: see there.
            device: where the network lives.

        Raises:
            ConfigError: too few episodes to keep some for validation.
            SpecError: the data is not finite.
        """
        self.config, self._rows, self._tokens, self._device = config, rows, tokens, device
        self._training, self._validation = _split(rows, config)
        network.fit_inputs(rows.proprio[self._training], rows.actions[self._training])
        self.network = network.to(device)
        self.average = MovingAverage(self.network)
        trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._optimiser = torch.optim.AdamW(
            trained, lr=config.learning_rate, betas=(0.95, 0.999), weight_decay=config.weight_decay, fused=True
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        self.step, self.losses = 0, Losses()

    @property
    def validation_rows(self) -> np.ndarray:
        """Rows of the episodes that are not learned from; those that are, where there are no others."""
        return self._validation if len(self._validation) else self._training

    def run(self, on_step: Callable[[int, float | None], bool], on_checkpoint: Callable[[], None]) -> None:
        """Train to the end, or until told to stop.

        Args:
            on_step: told the number of steps, and now and then the validation loss; False stops.
            on_checkpoint: called when a checkpoint is due.

        Raises:
            DivergenceError: the weights are no numbers any more; no checkpoint is made of them.
        """
        config = self.config

        def keep() -> None:
            self._check_finite()
            on_checkpoint()

        while self.step < config.steps:
            loss = self._update()
            is_due = self.step % config.log_every_steps == 0 or self.step == config.steps
            if is_due:
                self._log(loss)
            if self.step % config.checkpoint_every_steps == 0 or self.step == config.steps:
                keep()
            if not on_step(self.step, self.losses.validation[-1] if is_due else None):
                keep()
                return

    def state(self) -> dict[str, Any]:
        """Everything that is needed to go on."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average.state(),
            "optimiser": self._optimiser.state_dict(),
            "generator": self._generator.get_state(),
            "losses": {name: list(values) for name, values in vars(self.losses).items()},
            "data": _digest(self._rows),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned.

        Raises:
            CheckpointError: the state is that of another training, or the data has changed since.
        """
        digest = _digest(self._rows)
        if (before := state.get("data", digest)) != digest:
            raise CheckpointError(
                f"the data has changed since: it had {before['episodes']} episodes and {before['control_steps']} "
                f"control steps, now {digest['episodes']} and {digest['control_steps']}, so that what was held out "
                "would be learned from. Choose another run_dir, or bring the data back."
            )
        try:
            self.step = int(state["step"])
            self.network.load_state_dict(state["network"])
            self.average.restore(state["average"])
            self._optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
            self._generator.set_state(state["generator"])
            self.losses = Losses(**{name: list(values) for name, values in state["losses"].items()})
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
            raise CheckpointError(f"the training cannot be gone on with: {' '.join(str(error).split())}") from error

    def make_batch(self, rows: np.ndarray, device: str | None = None) -> ChunkBatch:
        """The windows of these rows, where the training is, or on another device."""
        spec, device = self.network.spec, device or self._device
        seen = self._rows.observation_rows(rows, spec.observation_steps)
        chunk = self._rows.chunk_rows(rows, spec.horizon, spec.past)
        indices = torch.from_numpy(seen)
        return ChunkBatch(
            torch.from_numpy(self._rows.proprio[seen]).to(device),
            {name: tokens[indices].float().to(device) for name, tokens in self._tokens.items()},
            torch.from_numpy(self._rows.actions[chunk]).to(device),
        )

    def _update(self) -> Tensor:
        """The loss, which stays where it is: to look at it, a GPU would have to be waited for."""
        config = self.config
        for group in self._optimiser.param_groups:
            group["lr"] = config.learning_rate * _schedule(self.step, config)
        chosen = torch.randint(len(self._training), (config.batch_size,), generator=self._generator).numpy()
        loss = self.network.loss(self.make_batch(self._training[chosen]), self._generator)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), _MAX_GRADIENT)
        self._optimiser.step()
        self.average.update(self.network)
        self.step += 1
        return loss.detach()

    def _log(self, loss: Tensor) -> None:
        self._check_finite()
        self.losses.steps.append(self.step)
        self.losses.training.append(float(loss))
        self.losses.validation.append(self._validate())

    def _check_finite(self) -> None:
        if not all(bool(torch.isfinite(value).all()) for value in self.network.parameters()):
            raise DivergenceError(
                f"the weights are no finite numbers any more at step {self.step}: lower learning_rate."
            )

    @torch.no_grad()
    def _validate(self) -> float:
        """Of the average, on the same windows with the same noise each time."""
        generator = np.random.default_rng(self.config.seed)
        rows = self.validation_rows
        chosen = rows[generator.permutation(len(rows))[:_VALIDATION_ROWS]]
        average = self.average.average
        return float(average.loss(self.make_batch(chosen), torch.Generator().manual_seed(self.config.seed)))


def _split(rows: ChunkRows, config: PretrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from, and rows of other episodes."""
    count = round(config.validation_share * rows.episodes)
    if count >= rows.episodes:
        raise ConfigError(f"validation_share={config.validation_share} of {rows.episodes} episodes leaves none.")
    order = np.random.default_rng(config.seed).permutation(rows.episodes).tolist()
    return rows.select(sorted(order[count:])), rows.select(sorted(order[:count]))


def _schedule(step: int, config: PretrainConfig) -> float:
    """Factor of the learning rate: a linear warm-up, then half a cosine."""
    warmup = min(1.0, (step + 1) / max(config.warmup_steps, 1))
    return warmup * 0.5 * (1.0 + math.cos(math.pi * step / config.steps))


def _digest(rows: ChunkRows) -> dict[str, int]:
    """What tells one set of data from another."""
    checksum = 0
    for array in (rows.starts, rows.actions, rows.proprio):
        checksum = zlib.crc32(np.ascontiguousarray(array).tobytes(), checksum)
    return {"episodes": rows.episodes, "control_steps": len(rows), "checksum": checksum}
