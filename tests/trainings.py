"""Runs in an environment of fakes, as a training has them: begun, killed, gone on with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from robot_rl.data.store_reader import StoreReader
from robot_rl.runtime.learning import demonstrations, learner_run
from robot_rl.runtime.learning.training import Training
from robot_rl.runtime.reporting.evaluation import Evaluation
from robot_rl.runtime.reporting.observers import Observer
from robot_rl.runtime.run_folder import RunFolder
from robot_rl.types import StepRecord, TimeStep
from tests.runs import make_agent_config, make_train_config, use_fake_envs


class Killed(BaseException):
    """As if the process had been killed: nothing that ends a run well may be done."""


class Notes(Observer):
    """Remembers what it was told of."""

    def __init__(self) -> None:
        self.time_steps = 0
        self.metrics: list[tuple[int, Any]] = []
        self.evaluations: list[tuple[int, Evaluation]] = []
        self.closed = 0

    def on_step(self, time_step: TimeStep) -> None:
        self.time_steps += 1

    def on_metrics(self, step: int, metrics: Any) -> None:
        self.metrics.append((step, metrics))

    def on_evaluation(self, step: int, evaluation: Evaluation) -> None:
        self.evaluations.append((step, evaluation))

    def close(self) -> None:
        self.closed += 1


def use_fake_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments of fakes, and a description that is made at once."""
    use_fake_envs(monkeypatch)
    for module in (learner_run, demonstrations):  # the real one takes longer than a run
        monkeypatch.setattr(module, "describe", lambda config: {"seed": config.seed})


def start(path: Path, **values: Any) -> tuple[Training, Notes]:
    """A new run that is set up; of imitation, whose updates are cheap, where the test asks for nothing else."""
    values.setdefault("agent", make_agent_config(name="bc"))
    config, folder, notes = make_train_config(**values), RunFolder(path), Notes()
    folder.create(config)
    return Training(config, folder, [notes]), notes


def resume(path: Path, **values: Any) -> tuple[Training, Notes]:
    """The run of a folder, with other values where the test wants them."""
    folder, notes = RunFolder(path), Notes()
    return Training(replace(folder.load_config(), **values), folder, [notes]), notes


def stored(path: Path) -> list[StepRecord]:
    """What a run has experienced."""
    return list(StoreReader(path / "experience").records())


def kill_after(monkeypatch: pytest.MonkeyPatch, run: Training, time_steps: int) -> list[StepRecord]:
    """End the run as a kill would: after so many time steps, without a checkpoint."""
    sent: list[StepRecord] = []
    send = run._channel.send

    def send_or_die(record: StepRecord) -> None:
        if len(sent) == time_steps:
            raise Killed
        sent.append(record)
        send(record)

    monkeypatch.setattr(run._channel, "send", send_or_die)
    with pytest.raises(Killed):
        run.run()
    return sent
