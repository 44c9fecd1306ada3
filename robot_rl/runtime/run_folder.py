"""Where the parts of a training run lie."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from robot_rl import config as configuration
from robot_rl.agents.agent import EncoderConfig
from robot_rl.agents.encoders.pretrained import WORDS
from robot_rl.data.durable import write_durably
from robot_rl.data.store_layout import HEADER
from robot_rl.data.store_reader import StoreReader
from robot_rl.errors import ConfigError, StoreError
from robot_rl.runtime.config import EnvConfig, TrainConfig
from robot_rl.runtime.learning import checkpoint

PRETRAIN_FILE = "pretrain.yaml"
_CONFIG_FILE = "config.yaml"
_CLAIMS = {_CONFIG_FILE: "a training run", PRETRAIN_FILE: "a base policy's training", HEADER: "a recording"}
"""File -> what a folder is that holds it, and then nothing else."""


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The resolved configuration."""
        return self.path / _CONFIG_FILE

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def experience(self) -> Path:
        """Store of everything that happened."""
        return self.path / "experience"

    @property
    def demonstrations(self) -> Path:
        """Store of the demonstrations that were recorded for the run."""
        return self.path / "demonstrations"

    @property
    def frames(self) -> Path:
        """Folder of the images' files, where the memory keeps them on disk."""
        return self.path / "frames"

    def create(self, config: TrainConfig) -> None:
        """Make the folder, with the configuration in it.

        Raises:
            ConfigError: there is a run in it already, or something else.
        """
        if self.config_file.exists():
            raise ConfigError(
                f"{self.path} holds a run already: continue it with `robot-rl resume {self.path}`, or choose another "
                "run_dir."
            )
        check_unclaimed(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_durably(self.config_file, configuration.to_yaml(config).encode())
        except OSError as error:
            raise ConfigError(f"{self.path} cannot become the folder of a run: {error.strerror}.") from error

    def mark_finished(self, steps: int) -> None:
        """Write down that the run has all its steps, and was evaluated after them."""
        write_durably(self._finished_file, f"{steps}\n".encode())

    def finished_steps(self) -> int:
        """Environment steps after which the run was finished; -1 where it was not."""
        try:
            return int(self._finished_file.read_text())
        except (OSError, ValueError):
            return -1

    def update(self, config: TrainConfig) -> None:
        """Replace the configuration by another that the run goes on with."""
        write_durably(self.config_file, configuration.to_yaml(config).encode())

    @property
    def _finished_file(self) -> Path:
        return self.path / "finished"

    def count_steps(self) -> int:
        """Environment steps of the run that are stored."""
        return StoreReader(self.experience).count_steps() if self.experience.is_dir() else 0

    def has_experience(self) -> bool:
        """Whether anything has happened in the run, as far as can be told: what cannot be read counts as something."""
        try:
            return self.experience.is_dir() and len(StoreReader(self.experience)) > 0
        except StoreError:
            return any(self.experience.iterdir())

    def load_config(self) -> TrainConfig:
        """The run's configuration.

        Raises:
            ConfigError: the folder holds no run, or its configuration is damaged.
        """
        if not self.config_file.exists():
            raise ConfigError(f"{self.path} holds no training run: there is no {self.config_file.name} in it.")
        return configuration.read_yaml(TrainConfig, self.config_file)


@contextmanager
def beginning(folder: RunFolder, config: TrainConfig) -> Iterator[None]:
    """Make the folder of a run; where that fails before anything has happened, it may be tried again under the name.

    And then with another configuration, but not with the demonstrations of another seed. What was there before stays.

    Raises:
        ConfigError: the folder cannot become that of a run.
    """
    own = [path for path in (folder.demonstrations, folder.experience, folder.path) if not os.path.lexists(path)]
    folder.create(config)
    try:
        yield
    except Exception:
        if not checkpoint.find(folder.checkpoints):
            folder.config_file.unlink(missing_ok=True)
            if folder.demonstrations in own:
                shutil.rmtree(folder.demonstrations, ignore_errors=True)
            if folder.experience in own and not folder.has_experience():
                shutil.rmtree(folder.experience, ignore_errors=True)
            if folder.path in own:
                with suppress(OSError):  # it holds something
                    folder.path.rmdir()
        raise


def check_unclaimed(folder: Path, *, may_be_run: bool = False) -> None:
    """Raise ConfigError where a folder is that of something already, which another run in it would make unusable.

    Args:
        folder: which may not exist.
        may_be_run: whether it may be that of a training run, which is gone on with.
    """
    for name, what in _CLAIMS.items():
        if (folder / name).exists() and not (may_be_run and name == _CONFIG_FILE):
            raise ConfigError(f"{folder} holds {what}, as its {name} says: choose another run_dir.")


def choose_folder(config: TrainConfig) -> RunFolder:
    """The run's folder: as configured, or the first free name in runs/."""
    if config.run_dir is not None:
        return RunFolder(Path(config.run_dir))
    name = f"{config.task.name}-{config.agent.name}-{config.seed}"
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return RunFolder(path)


def resolve(config: TrainConfig) -> TrainConfig:
    """The same, so that the run is resumed and evaluated from anywhere: what lies elsewhere by its absolute path."""
    return replace(
        config,
        demonstrations_from=_to_absolute(config.demonstrations_from),
        base=_to_absolute(config.base),
        inference=replace(config.inference, compose=_to_absolute(config.inference.compose)),
        reward=replace(config.reward, file=_to_absolute(config.reward.file)),
        reset=replace(config.reset, policy=_to_absolute(config.reset.policy)),
        agent=replace(config.agent, encoder=_resolve_weights(config.agent.encoder)),
    )


def _resolve_weights(encoder: EncoderConfig) -> EncoderConfig:
    return encoder if encoder.weights in WORDS else replace(encoder, weights=str(Path(encoder.weights).resolve()))


def _to_absolute(path: str | None) -> str | None:
    return str(Path(path).resolve()) if path else path


def find_store(path: Path) -> Path:
    """The store of what a run has experienced, where `path` is the folder of a run; otherwise `path` itself."""
    experience = RunFolder(path).experience
    return experience if experience.is_dir() else path


def describe(config: EnvConfig) -> dict[str, Any]:
    """What every row of a store must be traceable to: configuration (YAML, since JSON has no infinity) and code."""
    task = {"task": config.task.name, "level": config.task.level}
    return {**task, "config_yaml": configuration.to_yaml(config), "revision": find_revision()}


def find_said(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in what `describe` said of a store; empty where nothing was said."""
    return yaml.safe_load(attributes.get("config_yaml", "")) or {}


def find_revision() -> str:
    """The commit of the code, with "+" where it was changed since; "unknown" outside a repository."""
    here = Path(__file__).resolve().parent
    try:
        revision = _git(here, "rev-parse", "--short=12", "HEAD")
        return revision + ("+" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
