"""The tensors that travel from learner to actor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robot_rl.errors import ChannelError, WireError

DTYPES = frozenset(("|b1", "|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"))
"""What arrays that travel may hold, as numpy writes it."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The tensors of a policy, by name, and their version; versions of one learner increase from 0."""

    version: int
    tensors: Mapping[str, NDArray[Any]]

    def copy(self) -> Weights:
        """The same in memory of its own, so that an update in place cannot tear it."""
        return Weights(self.version, {name: np.array(tensor, order="C") for name, tensor in self.tensors.items()})


def check_dtype(name: str, dtype: str) -> None:
    """Raise WireError unless an array of this dtype may travel."""
    if dtype not in DTYPES:
        raise WireError(f"{name[:50]} must have one of the dtypes {sorted(DTYPES)}, got {dtype[:20]!r}.")


def check_weights(weights: Weights, newest: int) -> None:
    """Raise ChannelError unless the weights are newer than version `newest`, WireError where they cannot travel."""
    if weights.version <= newest:
        raise ChannelError(f"the version of published weights must be greater than {newest}, got {weights.version}.")
    for name, tensor in weights.tensors.items():
        check_dtype(name, tensor.dtype.str)
