"""What a run measured, as lines of JSON and for TensorBoard."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from robot_rl.clock import NS_PER_S, Clock, MonotonicClock
from robot_rl.errors import ConfigError
from robot_rl.runtime.reporting.evaluation import EpisodeResult, Evaluation
from robot_rl.runtime.reporting.observers import Observer

FILE_NAME = "metrics.jsonl"
LEARNER_FILE_NAME = "learner_metrics.jsonl"
"""Of a learner in a process of its own: two processes never write one file."""
_KEYS = {"kind", "step", "time_s"}
_TENSORBOARD_FLUSH_S = 10


class MetricsWriter(Observer):
    """Writes what the learner measured, every episode and every evaluation of a training.

    `metrics.jsonl` in the run's folder holds one JSON object a line, each written at once, so that a kill loses no
    more than one. All have "kind", "step" (environment steps of the run) and "time_s" (that the run has lasted, over
    all its parts where it was resumed), and beside that

    * "metrics": "values", name -> number, null where it was not finite;
    * "episode": the fields of EpisodeResult;
    * "evaluation": what `Evaluation.to_json` returns.

    A learner in a process of its own writes `learner_metrics.jsonl` instead, with "metrics" only, and shows them in
    `tensorboard/learner`; its actor writes the others. `read_run` joins both.

    The folder `tensorboard` beside it holds the same: metrics under their names; for an episode `train/success` (1
    only where no person helped), `train/length` [steps] and `train/human_share`; for an evaluation
    `evaluation/success_rate` with the bounds of its interval, and `evaluation/cycle_time_s`.
    """

    def __init__(
        self, folder: Path, first_step: int = 0, clock: Clock | None = None, *, is_learner: bool = False
    ) -> None:
        """Open the files, or continue them.

        Args:
            folder: of the run; made if it does not exist.
            first_step: environment steps that the run has made already: more than 0 where it is resumed.
            clock: the machine's, if None.
            is_learner: whether this is the process of a learner whose actors are elsewhere.

        Raises:
            ConfigError: the files cannot be written, or what is to be continued is broken.
        """
        path = folder / (LEARNER_FILE_NAME if is_learner else FILE_NAME)
        self._path, self._board_path = path, folder / "tensorboard" / ("learner" if is_learner else "")
        self._board: SummaryWriter | None = None
        self._clock = clock or MonotonicClock()
        self._step = first_step
        past_s = 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if path.exists():
                past_s = max((record["time_s"] for record in read_metrics(path)), default=0.0)
                _drop_torn_line(path)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"Cannot write the metrics {path}: {error}.") from error
        self._started_ns = self._clock.now_ns() - round(past_s * NS_PER_S)

    def on_start(self, step: int) -> None:
        """Go on at this step."""
        self._step = step

    def on_episode_end(self, episode: EpisodeResult) -> None:
        """Write an episode, at the step that it ended with."""
        self._step += episode.steps
        self._write("episode", self._step, dataclasses.asdict(episode))
        kind = "probe" if episode.is_probe else "train"
        values = {
            f"{kind}/success": float(episode.is_success and episode.human_steps == 0),
            f"{kind}/length": float(episode.steps),
            f"{kind}/human_share": episode.human_steps / max(1, episode.steps),
        }
        self._show(self._step, values)

    def on_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write what the learner measured."""
        values = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        self._write("metrics", step, {"values": values})
        self._show(step, metrics)

    def on_evaluation(self, step: int, evaluation: Evaluation) -> None:
        """Write an evaluation, without its episodes."""
        self._write("evaluation", step, evaluation.to_json())
        low, high = evaluation.interval
        values = {
            "evaluation/success_rate": evaluation.success_rate,
            "evaluation/success_rate_low": low,
            "evaluation/success_rate_high": high,
        }
        if evaluation.cycle_time_s is not None:
            values["evaluation/cycle_time_s"] = evaluation.cycle_time_s
        self._show(step, values)

    def close(self) -> None:
        """Finish the files; where nothing was measured, there are none."""
        self._file.close()
        if self._board is not None:
            self._board.close()
        elif self._path.stat().st_size == 0:
            self._path.unlink()

    def _write(self, kind: str, step: int, content: Mapping[str, object]) -> None:
        time_s = round((self._clock.now_ns() - self._started_ns) / NS_PER_S, 3)
        self._file.write(json.dumps({"kind": kind, "step": step, "time_s": time_s, **content}) + "\n")
        self._file.flush()

    def _show(self, step: int, values: Mapping[str, float]) -> None:
        if self._board is None:
            self._board = SummaryWriter(str(self._board_path), flush_secs=_TENSORBOARD_FLUSH_S)
        for name, value in values.items():
            self._board.add_scalar(name, value, step)


def newest_evaluation(folder: Path) -> int:
    """Environment steps of the run in this folder when it was evaluated last; 0 where it never was.

    Raises:
        ConfigError: a line of its metrics is no JSON object.
    """
    path = folder / FILE_NAME
    records = read_metrics(path) if path.exists() else []
    return max((int(record["step"]) for record in records if record["kind"] == "evaluation"), default=0)


def read_run(folder: Path) -> tuple[list[dict[str, Any]], float]:
    """What the processes of a run wrote into its folder, the learner's lines last, and how long it lasted [s].

    Raises:
        ConfigError: there is nothing of an actor, or a line is no JSON object.
    """
    if not (folder / FILE_NAME).exists():
        raise ConfigError(f"{folder} holds no metrics of a training run: there is no {FILE_NAME} in it.")
    files = [path for path in (folder / FILE_NAME, folder / LEARNER_FILE_NAME) if path.exists()]
    parts = [read_metrics(path) for path in files]
    begun = b"" if any(parts) else files[0].read_bytes()
    if begun and not begun.startswith(b"{"):  # not even a line that was cut short
        raise ConfigError(f"{files[0]}:1 must be a JSON object, got {begun[:50]!r}.")
    duration_s = max((float(part[-1]["time_s"]) for part in parts if part), default=0.0)
    return [record for part in parts for record in part], duration_s


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Everything that a `MetricsWriter` wrote to the file `path`, in order; a torn last line is left out.

    Raises:
        ConfigError: there is no such file, or a line of it that was ended is none of a `MetricsWriter`.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last end of a line was cut short
    except OSError as error:
        raise ConfigError(f"Cannot read the metrics {path}: {error}.") from error
    records = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{path}:{number} must be a JSON object: {error}.") from error
        if not isinstance(record, dict) or not record.keys() >= _KEYS:
            wanted = f"a JSON object with {', '.join(sorted(_KEYS))}"
            raise ConfigError(f"{path}:{number} must be {wanted}, got {line[:50]!r}.")
        records.append(record)
    return records


def _drop_torn_line(path: Path) -> None:
    """Cut off what a kill left of a line, so that the next does not continue it."""
    with path.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
