"""`ConditionalUNet` for inference: a list of steps between buffers that are laid out once.

Every convolution is one product, and channels lie innermost throughout. So a convolution's columns are overlapping rows
of its padded input, GroupNorm and FiLM need no transposition, and what a block gives is written straight to where the
next convolution reads it. Torch knows that layout for images only: a chunk is an image of width 1.

Suffixes of tensors: B batch, H horizon, W channels, I in, O out, M modulation, N rows (B H), 1 one.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from robot_rl.policies.networks.product import Precision, Product, make_product
from robot_rl.policies.networks.unet import ConditionalUNet, ConvBlock, ResidualBlock

Step = Callable[[], object]


class Room:
    """Where a convolution reads and writes, for one batch size and horizon.

    Attributes:
        inside: where to write its input, (B, W, H, 1): a buffer but for its borders, which stay zero.
        centre: rows of that input, (N, W), for strides of 1; once the steps were taken.
        outside: its output, (B, O, H / stride, 1).
        steps: what leads from one to the other.
    """

    def __init__(self, product: Product, shape_OWT: tuple[int, ...], stride: int, batch: int, horizon: int) -> None:
        outputs, channels, taps = shape_OWT
        border, size = taps // 2, taps * channels
        buffer = torch.zeros(batch, horizon + 2 * border, channels)
        rows = horizon // stride
        overlapping = buffer.as_strided((batch, rows, size), (buffer.stride(0), stride * channels, 1))
        columns, result = torch.empty(batch, rows, size), torch.empty(batch * rows, outputs)
        flat = columns.view(-1, size)
        self.inside = image(buffer[:, border : border + horizon])
        self.centre = flat[:, border * channels : (border + 1) * channels]
        self.outside = image(result.view(batch, rows, outputs))
        self.steps: list[Step] = [lambda: columns.copy_(overlapping), lambda: product.write(flat, result)]


class Convolution:
    """The constant weights of a convolution that keeps the horizon, or halves it by a stride of 2."""

    def __init__(self, weight_OWT: Tensor, bias_O: Tensor, stride: int, precision: Precision) -> None:
        self.shape, self.stride = tuple(weight_OWT.shape), stride
        self.product = make_product(weight_OWT.transpose(1, 2).flatten(1), bias_O, precision)

    def room(self, batch: int, horizon: int) -> Room:
        """A room of its own."""
        return Room(self.product, self.shape, self.stride, batch, horizon)


class FrozenConvBlock:
    """Convolution - GroupNorm - Mish."""

    def __init__(self, block: ConvBlock, precision: Precision) -> None:
        self.convolution = convolution(block.conv, precision)
        self.norm = block.norm

    def activate(self, x_BOH1: Tensor) -> Tensor:
        """GroupNorm and Mish of what the convolution gives."""
        norm = self.norm
        return F.mish(torch.group_norm(x_BOH1, norm.num_groups, norm.weight, norm.bias, norm.eps, False), inplace=True)


class FrozenResidualBlock:
    """Two convolution blocks with FiLM between them, beside an identity or a 1x1 convolution."""

    def __init__(self, block: ResidualBlock, precision: Precision) -> None:
        self.outputs = block.outputs
        self.first = FrozenConvBlock(block.first, precision)
        self.second = FrozenConvBlock(block.second, precision)
        self.bypass = None
        if isinstance(block.bypass, nn.Conv1d):
            self.bypass = make_product(block.bypass.weight[:, :, 0], bias_of(block.bypass), precision)

    def steps(self, room: Room, film: tuple[Tensor, Tensor], target: Tensor) -> list[Step]:
        """What leads from the first convolution's room to a target (B, O, H, 1), by scale and bias (B, O, 1, 1)."""
        scale, bias = film
        batch, _, horizon, _ = target.shape
        second = self.second.convolution.room(batch, horizon)

        def modulate() -> None:
            torch.addcmul(bias, self.first.activate(room.outside), scale, out=second.inside)

        steps = [*room.steps, modulate, *second.steps]
        if self.bypass is None:
            return [*steps, lambda: torch.add(self.second.activate(second.outside), room.inside, out=target)]
        bypass, rows = self.bypass, torch.empty(batch * horizon, self.outputs)
        beside = image(rows.view(batch, horizon, -1))
        return [
            *steps,
            lambda: bypass.write(room.centre, rows),
            lambda: torch.add(self.second.activate(second.outside), beside, out=target),
        ]


class FrozenUNet:
    """The U-Net of constant weights."""

    def __init__(self, network: ConditionalUNet, precision: Precision) -> None:
        self.spec = network.spec
        self.blocks = [FrozenResidualBlock(block, precision) for block in network.residual_blocks()]
        self.shrink = [convolution(conv, precision) for conv in network.shrink if isinstance(conv, nn.Conv1d)]
        self.grow = [doubling(conv, precision) for conv in network.grow if isinstance(conv, nn.ConvTranspose1d)]
        self.final = FrozenConvBlock(network.final, precision)
        self.head = make_product(network.head.weight[:, :, 0], bias_of(network.head), precision)
        self.plans: dict[tuple[int, int], Plan] = {}

    def __call__(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor:
        """What `ConditionalUNet.modulated` gives, (B, H, O)."""
        key = len(x_BHI), len(modulation_BM)
        if key not in self.plans:
            with torch.inference_mode(False), torch.no_grad():  # or outside of that mode no buffer could be written
                self.plans[key] = Plan(self, *key)
        return self.plans[key](x_BHI, modulation_BM)


class Plan:
    """The steps of an evaluation for one batch size of chunks and one of modulations, and their buffers."""

    def __init__(self, network: FrozenUNet, batch: int, modulations: int) -> None:
        self._network, self._batch = network, batch
        widths = [width for block in network.blocks for width in (block.outputs, block.outputs)]
        self._modulation = torch.empty(modulations, sum(widths))
        parts = iter(self._modulation.view(modulations, -1, 1, 1).split(widths, dim=1))
        self._films = list(zip(parts, parts, strict=True))  # scale and bias of one block after another
        self._steps: list[Step] = []
        final = network.final.convolution.room(batch, network.spec.horizon)
        middle, horizon, across = self._descend(network.spec.horizon)
        self._ascend(middle, horizon, across, final.inside)
        self._steps += final.steps
        self._final = final.outside

    def __call__(self, x_BHI: Tensor, modulation_BM: Tensor) -> Tensor:
        """The output (B, H, O), in memory of its own."""
        self._input.copy_(image(x_BHI))
        self._modulation.copy_(modulation_BM)
        for step in self._steps:
            step()
        features = self._network.final.activate(self._final)
        rows = self._network.head(features.permute(0, 2, 3, 1).flatten(0, 2))
        return rows.view(self._batch, -1, self._network.spec.outputs)

    def _descend(self, horizon: int) -> tuple[Room, int, list[Tensor]]:
        """Lay out the way down: the room of the middle stage, its horizon, and what is handed across, finest first."""
        room, across = self._room(0, horizon), []
        self._input = room.inside
        for level, shrink in enumerate(self._network.shrink):
            below = shrink.room(self._batch, horizon)
            self._stage(level, room, below.inside)
            across.append(below.inside)
            self._steps += below.steps
            horizon //= 2
            room = self._room(level + 1, horizon)
            self._copy(below.outside, room.inside)
        levels = len(self._network.shrink) + 1
        middle = self._room(levels, horizon)
        self._stage(levels - 1, room, middle.inside)
        return middle, horizon, [*across, middle.inside]

    def _ascend(self, middle: Room, horizon: int, across: list[Tensor], target: Tensor) -> None:
        """Lay out the middle stage and the way up to a target."""
        stage = len(self._network.shrink) + 1
        x = torch.empty_like(middle.inside)
        self._stage(stage, middle, x)
        for grow in self._network.grow:
            stage += 1
            room, above = self._room(stage, horizon), grow.room(self._batch, horizon)
            for source, inside in zip((x, across.pop()), room.inside.chunk(2, dim=1), strict=True):
                self._copy(source, inside)
            self._stage(stage, room, above.inside)
            self._steps += above.steps
            horizon *= 2
            rows = above.outside.permute(0, 2, 3, 1)  # a row is two positions of the chunk
            x = image(rows.view(self._batch, horizon, -1))
        self._copy(x, target)

    def _room(self, stage: int, horizon: int) -> Room:
        return self._network.blocks[2 * stage].first.convolution.room(self._batch, horizon)

    def _stage(self, stage: int, room: Room, target: Tensor) -> None:
        first, second = self._network.blocks[2 * stage : 2 * stage + 2]
        between = second.first.convolution.room(self._batch, target.shape[2])
        self._steps += first.steps(room, self._films[2 * stage], between.inside)
        self._steps += second.steps(between, self._films[2 * stage + 1], target)

    def _copy(self, source: Tensor, target: Tensor) -> None:
        self._steps.append(lambda: target.copy_(source))


def convolution(conv: nn.Conv1d, precision: Precision) -> Convolution:
    """A convolution whose padding keeps the horizon, or halves it with a stride of 2."""
    return Convolution(conv.weight, bias_of(conv), conv.stride[0], precision)


def doubling(conv: nn.ConvTranspose1d, precision: Precision) -> Convolution:
    """A transposed convolution of 4 taps, stride 2, as a convolution of 3 taps with twice the channels.

    The even position 2i is tap 3 of input i-1 and tap 1 of i; the odd one is tap 2 of i and tap 0 of i+1.
    """
    taps = conv.weight.detach().permute(2, 1, 0)  # (4, O, W)
    nothing = torch.zeros_like(taps[0])
    even, odd = (torch.stack(three, dim=-1) for three in ((taps[3], taps[1], nothing), (nothing, taps[2], taps[0])))
    bias = bias_of(conv)
    return Convolution(torch.cat([even, odd]), torch.cat([bias, bias]), 1, precision)


def bias_of(layer: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    """The bias, which every convolution of the network has."""
    assert layer.bias is not None
    return layer.bias


def image(x_BHW: Tensor) -> Tensor:
    """The same memory as (B, W, H, 1)."""
    return x_BHW.unsqueeze(2).permute(0, 3, 1, 2)
