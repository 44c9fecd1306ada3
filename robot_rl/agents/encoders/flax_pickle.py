"""Reads the pickle of a Flax network without JAX, and without trusting it.

A pickle is a program: it may call whatever it can name. This reader lets it name what builds arrays of numbers, puts
small classes of its own in their place, and refuses everything else before it is called.

SERL's resnet10_params.pkl is protocol 4: a nested dict of `jax.Array`, written with JAX 0.4 and NumPy 1; a file of that
make-up has the published one's length to the byte (21,677,915).
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import RobotRLError

# what a pickle that is damaged, or none, may raise on its way
_DAMAGE = (
    *(pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError, MemoryError),
    *(OverflowError, RecursionError),
)


class WeightsError(RobotRLError, ValueError):
    """A file does not hold the weights that it should, or is not to be trusted."""


def load_flax_pickle(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of a nested mapping, by their path in it: "ResNetBlock_0/Conv_0/kernel".

    Raises:
        WeightsError: it names anything but arrays and plain containers, is damaged, or holds no float32 arrays.
    """
    try:
        with path.open("rb") as file:
            tree = _ArrayUnpickler(file).load()
        if not isinstance(tree, dict):
            raise WeightsError(f"{path} must hold a nested mapping of arrays, got {type(tree).__name__}.")
        return _flattened(tree, "")  # a mapping that holds itself has no end
    except WeightsError:
        raise
    except _DAMAGE as error:
        raise WeightsError(f"{path} is not a complete pickle: {error}.") from error


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            allowed = ", ".join(sorted(".".join(one) for one in _ALLOWED))
            raise WeightsError(f"the pickle asks for {module}.{name}, which no weights need; allowed are {allowed}.")
        return _ALLOWED[module, name]


class _Float32:
    """The only type of numbers that is read; stands where the pickle says numpy.dtype."""

    def __init__(self, code: str, *_options: bool) -> None:
        if code != "f4":
            raise WeightsError(f"weights must be float32 (f4), the pickle has an array of {code!r}.")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] != "<":
            raise WeightsError(f"weights must be little-endian (<), the pickle has {state[1]!r}.")


class _Array:
    """Takes the content of an array, in the form in which NumPy's arrays are pickled."""

    def __init__(self, *_arguments: Any) -> None:
        self.values = np.empty(0, np.float32)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _version, shape, kind, is_fortran, content = state
        if not isinstance(kind, _Float32):
            raise WeightsError(f"weights must be float32, the pickle has an array of {kind!r}.")
        self.values = np.frombuffer(content, "<f4").reshape(shape, order="F" if is_fortran else "C")


def _from_jax(_build: Any, _arguments: Any, state: tuple[Any, ...], _aval: Any) -> _Array:
    """JAX pickles its arrays as a call with NumPy's builder, its arguments, NumPy's state and what JAX adds to it."""
    array = _Array()
    array.__setstate__(state)
    return array


# What a pickle may name, and what it gets: nothing of NumPy's or JAX's, whose own readers trust their input.
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "ndarray",  # only ever handed to _reconstruct
    ("numpy", "dtype"): _Float32,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # since NumPy 2
    ("jax._src.array", "_reconstruct_array"): _from_jax,
}


def _flattened(tree: Mapping[Any, Any], prefix: str) -> dict[str, NDArray[np.float32]]:
    out: dict[str, NDArray[np.float32]] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            out |= _flattened(value, f"{prefix}{key}/")
        elif isinstance(value, _Array):
            out[f"{prefix}{key}"] = value.values
        else:
            raise WeightsError(f"{prefix}{key} must be an array, got {type(value).__name__}.")
    return out
