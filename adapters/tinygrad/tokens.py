"""The layers that read tokens (B, T, D), and the norms over their last axis, each with its pullback."""

from __future__ import annotations

import math

from tinygrad import Tensor

from adapters.tinygrad.arrays import Pullback, total
from adapters.tinygrad.products import product
from adapters.weights import Arrays


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, epsilon: float) -> tuple[Tensor, Pullback]:
    """Return x, (B, D) or (B, T, D), normalised over its last axis."""
    mean = x.mean(-1, keepdim=True).contiguous()
    inverse = ((x - mean).square().mean(-1, keepdim=True) + epsilon).rsqrt().contiguous()
    normal = (x - mean) * inverse

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.contiguous()
        last = dy.ndim - 1
        scaled = dy * weight
        share = (scaled * normal).mean(-1, keepdim=True).contiguous()
        level = scaled.mean(-1, keepdim=True).contiguous()
        return (scaled - level - normal * share) * inverse, [total(dy * normal, last), total(dy, last)]

    return normal * weight + bias, pull


def rms_norm(x: Tensor, weight: Tensor, epsilon: float) -> tuple[Tensor, Pullback]:
    """Return x, (B, D) or (B, T, D), divided by its root mean square over its last axis."""
    inverse = (x.square().mean(-1, keepdim=True) + epsilon).rsqrt().contiguous()
    normal = x * inverse

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.contiguous()
        scaled = dy * weight
        share = (scaled * normal).mean(-1, keepdim=True).contiguous()
        return (scaled - normal * share) * inverse, [total(dy * normal, dy.ndim - 1)]

    return normal * weight, pull


def attention(x: Tensor, weight: Tensor, output_weight: Tensor, heads: int) -> tuple[Tensor, Pullback]:
    """Return what heads of attention make of x (B, T, D)."""
    batch, count, width = x.shape
    size = width // heads
    scale = 1 / math.sqrt(size)
    rows = x.reshape(-1, width)

    def by_head(y: Tensor) -> Tensor:  # (B*T, D) -> (B*heads, T, d)
        return y.reshape(batch, count, heads, size).transpose(1, 2).reshape(-1, count, size).contiguous()

    def joined(y: Tensor) -> Tensor:  # and back
        return y.reshape(batch, heads, count, size).transpose(1, 2).reshape(-1, width)

    q, k, v = (by_head(part) for part in product(rows, weight).split(width, 1))
    share = (product(q, k.transpose(1, 2).contiguous()) * scale).softmax(-1).contiguous()
    mixed = joined(product(share, v)).contiguous()

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        dy = dy.reshape(-1, width).contiguous()
        dheads = by_head(product(dy, output_weight.T.contiguous()))
        dshare = product(dheads, v.transpose(1, 2).contiguous())
        dscores = (share * (dshare - (dshare * share).sum(-1, keepdim=True).contiguous()) * scale).contiguous()
        found = product(dscores, k), product(dscores, q, turned=True), product(share, dheads, turned=True)
        dparts = joined(found[0]).cat(*map(joined, found[1:]), dim=1).contiguous()
        dx = product(dparts, weight.T.contiguous()).reshape(x.shape)
        return dx, [product(rows, dparts, turned=True), product(mixed, dy, turned=True)]

    return product(mixed, output_weight).reshape(x.shape), pull


def lstm(x: Tensor, arrays: Arrays, sequence: bool) -> tuple[Tensor, Pullback]:  # (B, T, I) -> (B, H) or (B, T, H)
    """Return the last output of an LSTM, or all of them; unrolled: all steps launch the same kernels."""
    weight, recurrent, bias = (next(arrays.parameters) for _ in range(3))
    batch, count, _ = x.shape
    units = recurrent.shape[0]
    given = [x[:, t].contiguous() for t in range(count)]
    gates: list[Tensor] = []
    hidden = [Tensor.zeros(batch, units, dtype=x.dtype).contiguous()]
    cells = [hidden[0]]
    for step in given:
        raw = product(hidden[-1], recurrent, product(step, weight, bias)).reshape(batch, 4, units)
        gates.append(_opened(raw))
        i, f, g, o = (gates[-1][:, part] for part in range(4))
        cells.append((f * cells[-1] + i * g).contiguous())
        hidden.append((o * cells[-1].tanh()).contiguous())

    def pull(dy: Tensor) -> tuple[Tensor, list[Tensor]]:
        back, inward = recurrent.T.contiguous(), weight.T.contiguous()
        found: list[Tensor | None] = [None, None]
        slopes: list[Tensor] = []
        dh, dc = hidden[0], hidden[0]
        for t in reversed(range(count)):
            dh = dh + dy[:, t] if sequence else dy if t == count - 1 else dh
            slope, dc = _stepped(gates[t], cells[t], cells[t + 1], dh, dc)
            dh = product(slope, back)
            found = [
                product(side[t], slope, total, turned=True) for side, total in zip((given, hidden), found, strict=True)
            ]
            slopes.append(slope)
        dx = Tensor.stack(*(product(slope, inward) for slope in reversed(slopes)), dim=1)
        return dx, [*found, sum(slopes[1:], slopes[0]).sum(0)]

    return Tensor.stack(*hidden[1:], dim=1) if sequence else hidden[-1], pull


def _opened(raw: Tensor) -> Tensor:  # (B, 4, H), the same
    """Return the gates of an LSTM, of which the third is a tanh: tanh(x) = 2 sigmoid(2x) - 1."""
    third = (Tensor.arange(4).reshape(4, 1) == 2).where(1, 0).cast(raw.dtype)
    return ((raw * (1 + third)).sigmoid() * (1 + third) - third).contiguous()


def _stepped(gates: Tensor, before: Tensor, cell: Tensor, dh: Tensor, dc: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of a step's sums (B, 4H) and of the cells before it (B, H)."""
    i, f, g, o = (gates[:, part] for part in range(4))
    tanh = cell.tanh()
    dc = (dc + dh * o * (1 - tanh * tanh)).contiguous()
    parts = dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g * g), dh * tanh * o * (1 - o)
    return parts[0].cat(*parts[1:], dim=1).contiguous(), dc * f
