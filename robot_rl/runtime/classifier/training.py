"""The making of a success classifier, from recordings to a measured file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from robot_rl import config as configuration
from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.agents.encoders.pretrained import load_pretrained
from robot_rl.errors import ConfigError
from robot_rl.rewards.classifier import SuccessClassifier
from robot_rl.rewards.reward import LOST
from robot_rl.runtime.classifier.config import BackboneConfig, ClassifierConfig
from robot_rl.runtime.classifier.figures import OutputFigures, measure_output
from robot_rl.runtime.classifier.file import load_classifier, make_network, save_classifier
from robot_rl.runtime.classifier.fit import Fitted, compute_logits, fit
from robot_rl.runtime.classifier.gather import Gathered, count_episodes, gather, make_spec, open_store
from robot_rl.runtime.classifier.labels import Part
from robot_rl.runtime.reporting.output_file import check_path
from robot_rl.runtime.run_folder import find_revision
from robot_rl.runtime.torch_device import find_device


@dataclass(frozen=True, eq=False)
class TrainedClassifier:
    """A classifier, and what is known of it.

    Attributes:
        classifier: as it is used.
        gathered: what it was made from.
        fitted: how.
        figures: of each output.
    """

    classifier: SuccessClassifier
    gathered: Gathered
    fitted: Fitted
    figures: tuple[OutputFigures, ...]

    def to_json(self) -> dict[str, Any]:
        """The numbers; those of a single output stand beside the others."""
        outputs = {figures.name: figures.to_json() for figures in self.figures}
        return {
            "episodes": {part.value: count for part, count in self.gathered.episodes.items()},
            "samples": {part.value: len(samples) for part, samples in self.gathered.parts.items()},
            "repeated_episodes": self.gathered.repeated,
            "hard_negatives": self.gathered.mistakes,
            "updates": self.fitted.updates,
            "validation_loss": self.fitted.loss,
            **(next(iter(outputs.values())) if len(outputs) == 1 else {"outputs": outputs}),
        }


class Listener(Protocol):
    """Hears how the training goes on."""

    def on_gathering(self, episodes: int) -> None:
        """So many episodes are going to be read."""

    def on_episode(self, source: str) -> None:
        """One more was."""

    def on_look(self, update: int, loss: float) -> bool:
        """So many updates led to this validation loss; False ends the training."""


def train(config: ClassifierConfig, listener: Listener) -> TrainedClassifier:
    """Train, calibrate, measure and write a classifier.

    Raises:
        ConfigError: the data does not fit the configuration, there is too little of it, or `out` cannot be written.
        StoreError: a recording is damaged.
        SetupError, CheckpointError: weights, or the classifier that judged the run, are missing or unreadable.
    """
    readers = {source: open_store(source) for source in config.data}
    if len({reader.path.resolve() for reader in readers.values()}) < len(config.data):
        raise ConfigError(f"data names a recording twice: {list(config.data)}.")
    spec = make_spec(readers, config)
    run = None if config.run is None else open_store(config.run)
    judge = None if run is None else _load_judge(config)
    device = find_device(config.device)
    check_path(Path(config.out), "classifier", ".safetensors")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        backbone = _make_backbone(config.backbone, spec.image_size_px).to(device)
        network = make_network(spec, backbone, config.fit.dropout).to(device)
        listener.on_gathering(count_episodes([*readers.values(), *([run] if run else [])]))
        gathered = gather(readers, run, judge, spec, backbone, config, listener.on_episode)
        training, validation, test = (gathered.parts[part] for part in Part)
        fitted = fit(network, spec.cameras, training, validation, config.fit, config.seed, listener.on_look)
    logits = [(compute_logits(network, spec.cameras, part), part) for part in (validation, test)]
    figures = tuple(
        measure_output(name, number, logits[0], logits[1], config.claim) for number, name in enumerate(spec.outputs)
    )
    classifier = SuccessClassifier(spec, backbone, network, [each.calibration for each in figures])
    trained = TrainedClassifier(classifier, gathered, fitted, figures)
    about = {
        "config_yaml": configuration.to_yaml(config),
        "revision": find_revision(),
        "statements": {each.name: each.claim.statement for each in figures},
        "figures": trained.to_json(),
    }
    save_classifier(Path(config.out), classifier, config.backbone.name, about)
    return trained


def _load_judge(config: ClassifierConfig) -> SuccessClassifier:
    """The classifier whose mistakes are looked for."""
    path = Path(config.judge or config.out)
    if config.judge is None and not path.is_file():
        raise ConfigError(
            f"run={config.run} needs the classifier whose mistakes are looked for, and there is none in {path}: train "
            "one without run first, or name it with judge=FILE."
        )
    judge = load_classifier(path, find_device(config.device))
    names = (*config.labels.stages, LOST) if config.labels.has_lost else config.labels.stages
    if judge.outputs != names:
        raise ConfigError(f"{path} knows {list(judge.outputs)}, and labels ask for {list(names)}.")
    return judge


def _make_backbone(config: BackboneConfig, image_size_px: int) -> Backbone:
    backbone = make_backbone(config.name, image_size_px)
    if config.weights != "random":
        backbone.load_state_dict(load_pretrained(config.weights))
    return backbone.eval().requires_grad_(False)
