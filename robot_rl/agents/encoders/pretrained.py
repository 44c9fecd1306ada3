"""The published weights of ResNet-10, from any of the layouts that they are published in.

The originals are arrays of Flax in a pickle, in SERL's release. The same numbers under PyTorch's names are on the
Hugging Face hub, helper2424/resnet10 and lerobot/resnet10. Both become one file of ours: nothing but tensors.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from robot_rl.agents.encoders.backbone import SIZE_STEP_PX
from robot_rl.agents.encoders.flax_pickle import WeightsError, load_flax_pickle
from robot_rl.agents.encoders.resnet10 import ResNet10
from robot_rl.errors import SetupError

PUBLISHED = "pretrained"
"""The word for what lies in the cache."""
WORDS = ("random", PUBLISHED)
"""What can be said in place of a file of weights."""

RELEASE_URL = "https://github.com/rail-berkeley/serl/releases/download/resnet10/resnet10_params.pkl"
RELEASE_SHA256 = "175745d43d30233eb01b5369465d1c24c11b8ee71ccb734cc1c1bca13e07f57b"

# a pattern of a published name -> our name
_FROM_FLAX = (
    (r"(conv_init|norm_init)/(\w+)", r"\1.\2"),
    (r"ResNetBlock_(\d)/Conv_(\d)/(\w+)", r"blocks.\1.conv_\2.\3"),
    (r"ResNetBlock_(\d)/MyGroupNorm_(\d)/(\w+)", r"blocks.\1.norm_\2.\3"),
    (r"ResNetBlock_(\d)/(conv_proj|norm_proj)/(\w+)", r"blocks.\1.\2.\3"),
)
# the hub's model was written twice: with a module around each convolution and norm, and without
_FROM_HUB = (
    (r"embedder\.0\.(?:conv\.)?(\w+)", r"conv_init.\1"),
    (r"embedder\.1\.(?:group_norm\.)?(\w+)", r"norm_init.\1"),
    (r"encoder\.stages\.(\d)\.conv1\.(?:conv\.)?(\w+)", r"blocks.\1.conv_0.\2"),
    (r"encoder\.stages\.(\d)\.conv2\.(?:conv\.)?(\w+)", r"blocks.\1.conv_1.\2"),
    (r"encoder\.stages\.(\d)\.norm1\.(?:group_norm\.)?(\w+)", r"blocks.\1.norm_0.\2"),
    (r"encoder\.stages\.(\d)\.norm2\.(?:group_norm\.)?(\w+)", r"blocks.\1.norm_1.\2"),
    (r"encoder\.stages\.(\d)\.shortcut\.0\.(?:conv\.)?(\w+)", r"blocks.\1.conv_proj.\2"),
    (r"encoder\.stages\.(\d)\.shortcut\.1\.(?:group_norm\.)?(\w+)", r"blocks.\1.norm_proj.\2"),
)
_CLASSIFIER = "output_head/"  # of ImageNet's classes: of no use here


def default_path() -> Path:
    """Where the converted weights are looked for: robot_rl/resnet10.safetensors in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "robot_rl" / "resnet10.safetensors"


def load_pretrained(weights: str | Path = PUBLISHED) -> dict[str, Tensor]:
    """The state of a `ResNet10`, from the cache or from a file; a published file may be given as it is.

    Raises:
        SetupError: there is no such file; the message says where to get it.
        WeightsError: the file holds something else, or no finite numbers.
    """
    found = default_path() if weights == PUBLISHED else Path(weights)
    if not found.is_file():
        raise SetupError(
            f"no weights of ResNet-10 at {found}. Download {RELEASE_URL} "
            f"(sha256 {RELEASE_SHA256}) and run: robot-rl convert-encoder resnet10_params.pkl"
        )
    return _read(found)


def convert(source: Path, target: Path | None = None) -> Path:
    """Write published weights as a file of ours, and return where: `target`, or else the cache.

    Raises:
        SetupError: there is no such source, or the target cannot be written; nothing is left beside it.
        WeightsError: it is none of the known layouts, or holds no finite numbers; nothing is written.
    """
    if not source.is_file():
        raise SetupError(f"there is no file {source}; the weights are published at {RELEASE_URL}.")
    state = _read(source)
    written = default_path() if target is None else target
    unfinished = written.with_name(f"{written.name}.{os.getpid()}")
    try:
        written.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, unfinished)
        unfinished.replace(written)  # at once: nobody reads half a file
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise SetupError(f"{written} cannot be written: {error}.") from error
    return written


def _read(path: Path) -> dict[str, Tensor]:
    """The state in a file of any layout, checked against the network."""
    if path.suffix == ".pkl":
        state = _from_flax(path)
    elif path.suffix == ".safetensors":
        try:
            state = load_file(path)
        except SafetensorError as error:
            raise WeightsError(f"{path} is not a complete safetensors file: {error}.") from error
        if "embedder.0.weight" in state or "embedder.0.conv.weight" in state:
            state = {_renamed(name, _FROM_HUB): value.contiguous() for name, value in state.items()}
    else:
        raise WeightsError(f"weights must be a .pkl (Flax) or .safetensors (PyTorch) file, got {path}.")
    with torch.device("meta"):
        expected = ResNet10(SIZE_STEP_PX).state_dict()  # the names and shapes alone; no size of images is in them
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    wanted = {name: tuple(value.shape) for name, value in expected.items()}
    if shapes != wanted:
        missing = sorted(f"{name} {shape}" for name, shape in wanted.items() - shapes.items())
        unknown = sorted(f"{name} {shape}" for name, shape in shapes.items() - wanted.items())
        raise WeightsError(f"{path} is not ResNet-10: missing are {missing}, unknown are {unknown}.")
    return {name: _as_float32(path, name, value) for name, value in state.items()}


def _as_float32(path: Path, name: str, value: Tensor) -> Tensor:
    """The same numbers in the network's precision, where they are numbers that a network can have."""
    if not value.is_floating_point():
        raise WeightsError(f"{path}: {name} must be of floating-point numbers, got {value.dtype}.")
    ours = value.float()
    if not torch.isfinite(ours).all():
        raise WeightsError(f"{path}: {name} holds numbers that are not finite in float32.")
    return ours


def _from_flax(path: Path) -> dict[str, Tensor]:
    state = {}
    for name, array in load_flax_pickle(path).items():
        if name.startswith(_CLASSIFIER):
            continue
        value = torch.from_numpy(array.copy())
        if name.endswith("/kernel") and value.ndim == 4:
            value = value.permute(3, 2, 0, 1).contiguous()  # height, width, in, out -> out, in, height, width
        ours = _renamed(name, _FROM_FLAX)
        state[re.sub(r"\.(kernel|scale)$", ".weight", ours)] = value
    return state


def _renamed(name: str, patterns: tuple[tuple[str, str], ...]) -> str:
    """Our name for a published one; one that is not known stays, and is reported as such."""
    for pattern, ours in patterns:
        if match := re.fullmatch(pattern, name):
            return match.expand(ours)
    return name
