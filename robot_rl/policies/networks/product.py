"""Products with constant weights, in the form that is fastest for few rows on one thread.

With the 4 to 16 rows of an action chunk a large layer is bound by reading its weights from memory, so that their layout
and their size in bytes decide. Figures in the comments are of one Cascade Lake core.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum

import torch
from torch import Tensor

from robot_rl.errors import SetupError

PACKED_SIZE = 2**20
"""Weights from which oneDNN's blocked layout is worth its constant overhead of 40 us."""

HALF_SIZE = 2**18
"""Weights from which half of the bytes are worth the constant overhead of 45 us."""


class Precision(Enum):
    """How large weights are stored; all arithmetic is in float32.

    FLOAT16 reads half of the bytes. Its weights have a relative error of at most 2^-11, and saturate at 65504.
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class Product(ABC):
    """x W^T + b for rows of x (N, K), with constant weights: it cannot be differentiated."""

    @abstractmethod
    def __call__(self, x_NK: Tensor) -> Tensor:
        """The product, (N, O)."""

    def write(self, x_NK: Tensor, out_NO: Tensor) -> None:
        """Write the product to a buffer."""
        out_NO.copy_(self(x_NK))


class _Plain(Product):
    """W lies as the product reads it: 26 us for 16x320x64, where the layout of nn.Linear takes 66 us."""

    def __init__(self, weight_OK: Tensor, bias_O: Tensor) -> None:
        self._columns, self._bias = weight_OK.t().contiguous(), bias_O

    def __call__(self, x_NK: Tensor) -> Tensor:
        return torch.addmm(self._bias, x_NK, self._columns)

    def write(self, x_NK: Tensor, out_NO: Tensor) -> None:
        torch.addmm(self._bias, x_NK, self._columns, out=out_NO)


class _Packed(Product):
    """2.3 ms for 4x5120x1024, where MKL takes 6.1 ms; the product that torch.compile uses for constant weights."""

    def __init__(self, weight_OK: Tensor, bias_O: Tensor) -> None:
        self._packed, self._bias = torch.ops.mkldnn._reorder_linear_weight(weight_OK), bias_O
        self._product = torch.ops.mkldnn._linear_pointwise.default

    def __call__(self, x_NK: Tensor) -> Tensor:
        product: Tensor = self._product(x_NK, self._packed, self._bias, "none", [], "")
        return product


class _Half(Product):
    """1.3 ms for 4x5120x1024, where oneDNN's takes 2.3 ms in float32."""

    def __init__(self, weight_OK: Tensor, bias_O: Tensor) -> None:
        if torch.backends.quantized.engine not in ("x86", "fbgemm"):
            raise SetupError(
                f"precision float16 needs torch's quantized engine x86 or fbgemm; here it is "
                f"{torch.backends.quantized.engine!r}. Use float32."
            )
        self._packed = torch.ops.quantized.linear_prepack_fp16(weight_OK, bias_O)
        self._product = torch.ops.quantized.linear_dynamic_fp16.default

    def __call__(self, x_NK: Tensor) -> Tensor:
        product: Tensor = self._product(x_NK, self._packed)
        return product


def make_product(weight_OK: Tensor, bias_O: Tensor, precision: Precision) -> Product:
    """The form that suits the size of the weights.

    Raises:
        SetupError: float16 was asked for, and this build of torch has no such product.
    """
    weight, bias = weight_OK.detach().contiguous(), bias_O.detach()
    if precision is Precision.FLOAT16 and weight.numel() >= HALF_SIZE:
        return _Half(weight, bias)
    if weight.numel() >= PACKED_SIZE and torch.backends.mkldnn.is_available():
        return _Packed(weight, bias)
    return _Plain(weight, bias)
