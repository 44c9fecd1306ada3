"""A trained classifier as one file: tensors and a JSON header (safetensors). Nothing in it is executed.

The frozen backbone is in it too, so that what runs beside a robot needs no other file, and cannot find another one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from robot_rl.agents.encoders import make_backbone
from robot_rl.agents.encoders.backbone import Backbone
from robot_rl.agents.encoders.heads import OUTPUTS, SpatialEmbeddingHead
from robot_rl.data.durable import write_durably
from robot_rl.errors import CheckpointError, ConfigError, RobotRLError, SetupError
from robot_rl.rewards.calibration import Calibration
from robot_rl.rewards.classifier import ClassifierNetwork, ClassifierSpec, SuccessClassifier

FORMAT = 1
_KEY = "robot_rl.success_classifier"
_PARTS = ("backbone", "network")


def make_network(spec: ClassifierSpec, backbone: Backbone, dropout: float) -> ClassifierNetwork:
    """An untrained network on a backbone's tokens: the heads of `agents.encoders`, one for each camera."""
    heads = {name: SpatialEmbeddingHead(backbone.map_size, backbone.channels) for name in spec.cameras}
    return ClassifierNetwork(heads, OUTPUTS, len(spec.outputs), dropout)


def save_classifier(path: Path, classifier: SuccessClassifier, backbone: str, about: Mapping[str, Any]) -> None:
    """Write a classifier; a kill at any moment leaves the file that was there.

    Args:
        path: of the file; its folder is made.
        classifier: to be kept.
        backbone: name of its backbone.
        about: what else is to be known of it, fit for JSON: configuration, figures, code.

    Raises:
        ConfigError: the file cannot be written.
    """
    header = {
        "format": FORMAT,
        "spec": asdict(classifier.spec),
        "backbone": backbone,
        "calibrations": [asdict(calibration) for calibration in classifier.calibrations],
        "about": dict(about),
    }
    tensors = {
        f"{part}.{name}": value.detach().cpu().contiguous()
        for part, module in zip(_PARTS, (classifier.backbone, classifier.network), strict=True)
        for name, value in module.state_dict().items()
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, to_bytes(tensors, {_KEY: json.dumps(header)}))
    except OSError as error:
        raise ConfigError(f"the classifier {path} cannot be written: {error.strerror}.") from error


def load_classifier(path: Path, device: str = "cpu") -> SuccessClassifier:
    """Read a classifier.

    Raises:
        SetupError: there is no such file.
        CheckpointError: it is torn, damaged, of another version, or something else.
    """
    header, tensors = _read(path)
    try:
        spec = ClassifierSpec(
            tuple(header["spec"]["cameras"]),
            int(header["spec"]["image_size_px"]),
            tuple(header["spec"]["stages"]),
            bool(header["spec"]["has_lost"]),
        )
        calibrations = [Calibration(**values) for values in header["calibrations"]]
        backbone = make_backbone(header["backbone"], spec.image_size_px)
        network = make_network(spec, backbone, dropout=0.0)
        modules: tuple[nn.Module, ...] = (backbone, network)
        for part, module in zip(_PARTS, modules, strict=True):
            prefix = f"{part}."
            state = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
            module.load_state_dict(state)
        return SuccessClassifier(spec, backbone.to(device), network.to(device), calibrations)
    except (RobotRLError, KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: shapes or names
        raise CheckpointError(f"{path} is damaged: {' '.join(str(error).split())}") from error


def load_about(path: Path) -> dict[str, Any]:
    """What the classifier's maker said about it: configuration, figures, code.

    Raises:
        SetupError: there is no such file.
        CheckpointError: it is torn, of another version, or something else.
    """
    return dict(_read(path)[0].get("about", {}))


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Header and tensors of a file that claims to be a classifier."""
    if not path.is_file():
        raise SetupError(f"there is no classifier {path}; train one: robot-rl train-classifier data=STORE out={path}")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()} if text else {}  # noqa: SIM118 no mapping
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is torn, or no safetensors file: {error}") from error
    if text is None:
        raise CheckpointError(f"{path} holds weights, but no success classifier of robot-rl.")
    try:
        header = json.loads(text)
        found = header["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: its header cannot be read.") from error
    if found != FORMAT:
        raise CheckpointError(f"{path} is of format {found}, and this version of robot-rl reads format {FORMAT}.")
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise CheckpointError(f"{path} is damaged: a weight in it is not finite.")
    return header, tensors
