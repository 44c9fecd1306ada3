"""A base policy's training as a run: a folder that can be gone on with, and the policy's file at its end."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robot_rl import config as configuration
from robot_rl.agents.encoders.observation import ObservationEncoder
from robot_rl.data.chunks import ChunkRows, gather_rows
from robot_rl.data.durable import write_durably
from robot_rl.errors import CheckpointError, ConfigError
from robot_rl.inference.noise_level import NoiseLevel
from robot_rl.policies.chunk_network import ChunkNetwork
from robot_rl.policies.diffusion import DiffusionNetwork
from robot_rl.policies.spec import BasePolicySpec
from robot_rl.runtime.key_difference import describe_keys, flatten
from robot_rl.runtime.learning import checkpoint
from robot_rl.runtime.pretraining.config import PretrainConfig
from robot_rl.runtime.pretraining.networks import make_chunk_network
from robot_rl.runtime.pretraining.noise import measure_noise_level
from robot_rl.runtime.pretraining.policy_file import FILE_NAME, StoredPolicy, save_policy
from robot_rl.runtime.pretraining.report import draw_losses
from robot_rl.runtime.pretraining.sources import EachOnce, Source, open_sources
from robot_rl.runtime.pretraining.training import Trainer
from robot_rl.runtime.run_folder import PRETRAIN_FILE, check_unclaimed, find_revision
from robot_rl.runtime.torch_device import find_device

_log = logging.getLogger(__name__)

PICTURE = "losses.png"
_IMAGES_AT_ONCE = 64
_MAY_DIFFER = ("run_dir", "checkpoint_every_steps", "log_every_steps", "device", "threads")


@dataclass(frozen=True)
class PretrainResult:
    """What came of it.

    Attributes:
        policy: file of the policy; None where the training was stopped before its end.
        figures: for a line of JSON.
    """

    policy: Path | None
    figures: dict[str, Any]


def pretrain(config: PretrainConfig, on_step: Callable[[int, float | None], bool]) -> PretrainResult:
    """Train, or go on with the training in the folder.

    Args:
        config: see there.
        on_step: told the number of steps, and now and then the validation loss; False stops.

    Raises:
        ConfigError: the data, or the folder, does not fit the configuration.
        ExchangeError, StoreError, SpecError: the data is damaged, or not finite.
        CheckpointError: the checkpoint in the folder is damaged.
        DivergenceError: the weights are no finite numbers any more.
    """
    folder = Path(config.run_dir)
    _check_folder(folder, config)
    torch.set_num_threads(config.threads)
    source = open_sources(config.data, config.rate_hz)
    rows, spec = _read(source, config)
    device = find_device(config.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network = make_chunk_network(config.base_policy, spec)
    tokens = _look(network, rows, device)
    rows = dataclasses.replace(rows, images={})  # most of the data, and nobody looks at them again
    trainer = Trainer(network, rows, tokens, config, device)
    _claim(folder, config)  # now that the configuration has proved to be one of a training
    _restore(trainer, folder)

    def keep() -> None:
        checkpoint.save(folder / "checkpoints", trainer.step, trainer.state(), keep=1)
        if trainer.losses.steps:
            draw_losses(trainer.losses, f"{folder.name}: {rows.episodes} episodes", folder / PICTURE)

    trainer.run(on_step, keep)
    figures = {
        "run": str(folder),
        "episodes": rows.episodes,
        "control_steps": len(rows),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "steps": trainer.step,
        "validation_loss": trainer.losses.validation[-1] if trainer.losses.validation else None,
    }
    if trainer.step < config.steps:
        return PretrainResult(None, figures)
    average = trainer.average.average.to("cpu")
    level = _measure(average, trainer, rows, config)
    of_data = {"task": source.task, "action": dict(source.meaning)}
    about = {**figures, **of_data, "config_yaml": configuration.to_yaml(config), "revision": find_revision()}
    save_policy(folder / FILE_NAME, StoredPolicy(average, config.base_policy, level, about))
    figures["noise"] = None if level is None else {**dataclasses.asdict(level), "sigma": level.sigma}
    return PretrainResult(folder / FILE_NAME, figures)


def _claim(folder: Path, config: PretrainConfig) -> None:
    """Make the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / PRETRAIN_FILE).exists():
            write_durably(folder / PRETRAIN_FILE, configuration.to_yaml(config).encode())
    except OSError as error:
        raise ConfigError(f"{folder} cannot become the folder of a training: {error.strerror}.") from error


def _restore(trainer: Trainer, folder: Path) -> None:
    """Go on where the newest checkpoint was written."""
    found = checkpoint.find(folder / "checkpoints")
    if not found:
        return
    state = checkpoint.load(found[-1])
    try:
        trainer.restore(state)
    except CheckpointError as error:
        raise CheckpointError(f"{found[-1]}: {error}") from error


def _check_folder(folder: Path, config: PretrainConfig) -> None:
    """See that the training in the folder, if there is one, is this one, and that it is nothing else."""
    file = folder / PRETRAIN_FILE
    if not file.exists():
        check_unclaimed(folder)
        return
    before = configuration.read_yaml(PretrainConfig, file)
    one, other = (
        {name: value for name, value in flatten(configuration.to_plain(each)).items() if name not in _MAY_DIFFER}
        for each in (before, config)
    )
    if one != other:
        raise ConfigError(
            f"{folder} holds another training: {describe_keys(one, other, 'it has {}, the command {}')}. Choose "
            "another run_dir, or go on with the same words."
        )


def _read(source: Source, config: PretrainConfig) -> tuple[ChunkRows, BasePolicySpec]:
    policy = config.base_policy
    spec = BasePolicySpec.from_environment(
        source.spec,
        config.cameras,
        observation_steps=policy.observation_steps,
        horizon=policy.horizon,
        past=policy.past,
    )
    proprio = [name for name, _ in spec.proprio]
    once = EachOnce(source.episodes, proprio)
    rows = gather_rows(islice(once, config.episodes or None), proprio, config.cameras, spec.discrete)
    if once.repeated:
        _log.warning("data: episodes that are there twice, and were taken once: %d.", once.repeated)
    if rows.episodes < config.episodes:
        raise ConfigError(
            f"data={list(config.data)} has {rows.episodes} episodes to learn from; episodes={config.episodes} asks for "
            "more."
        )
    return rows, spec


@torch.no_grad()
def _look(network: ChunkNetwork, rows: ChunkRows, device: str) -> dict[str, Tensor]:
    """Camera -> what the frozen backbone makes of every image, float16, in memory: each is looked at once."""
    if network.encoder is None:
        return {}
    assert isinstance(network.encoder, ObservationEncoder)
    backbone = network.encoder.backbone.to(device)
    return {
        name: torch.cat(
            [backbone(images.to(device)).half().cpu() for images in torch.from_numpy(pictures).split(_IMAGES_AT_ONCE)]
        )
        for name, pictures in rows.images.items()
    }


def _measure(network: ChunkNetwork, trainer: Trainer, rows: ChunkRows, config: PretrainConfig) -> NoiseLevel | None:
    if not isinstance(network, DiffusionNetwork):
        return None
    return measure_noise_level(network, trainer, rows, config.seed)
