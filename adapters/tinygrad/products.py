"""Products of matrices as kernels of our own: each thread of the loop computes a tile of outputs in registers.

Left to itself tinygrad's compiler takes four by four outputs, and its search for better (BEAM) 20 s and more a kernel
in each launch: 27 GFLOPS of float32 at (100, 784) @ (784, 128), with tiles of four by sixteen 51.
https://docs.tinygrad.org/tensor/ops/#tinygrad.Tensor.custom_kernel
"""

from __future__ import annotations

from functools import partial
from typing import Any

from tinygrad import Tensor
from tinygrad.codegen.opt import Opt, OptOps
from tinygrad.uop.ops import AxisType, KernelInfo, Ops, UOp


def product(left: Tensor, right: Tensor, added: Tensor | None = None, turned: bool = False) -> Tensor:
    """Return left (N, K) @ right (K, M) + added (M,) or (N, M); `turned` where left is (K, N).

    Either may be a stack (B, ...) of such, the result is one then. What varies along M lies together in memory.
    """
    stack = next((side.shape[:1] for side in (left, right) if side.ndim == 3), ())
    rows, columns = left.shape[-1 if turned else -2], right.shape[-1]
    empty = Tensor.empty(*stack, rows, columns, dtype=left.dtype, device=left.device)
    given = [left, right] if added is None else [left, right, added]
    return empty.custom_kernel(*given, fxn=partial(_kernel, turned))[0]


def _kernel(turned: bool, out: UOp, left: UOp, right: UOp, *added: UOp) -> UOp:
    # The compiler drops loops of one and counts the axes of its options without them.
    places = [UOp.range(size, number) if size > 1 else 0 for number, size in enumerate(out.shape)]
    loops = [place for place in places if isinstance(place, UOp)]
    *stack, row, column = places
    terms = right.shape[-2]
    inner = UOp.range(terms, out.ndim, AxisType.REDUCE) if terms > 1 else 0

    def image_of(side: UOp) -> list[Any]:
        return stack if side.ndim == 3 else []

    factor = left[*image_of(left), inner, row] if turned else left[*image_of(left), row, inner]
    total = factor * right[*image_of(right), inner, column]
    total = total.reduce(inner, arg=Ops.ADD) if isinstance(inner, UOp) else total
    for term in added:
        total = total + (term[row, column] if term.ndim == 2 else term[column])
    rows, columns = out.shape[-2:]
    sizes = [*(1 for _ in stack), _tall(rows, _wide(columns)), _wide(columns)]
    tiles = [size for size, place in zip(sizes, places, strict=True) if isinstance(place, UOp)]
    chosen = tuple(Opt(OptOps.UPCAST, axis, size) for axis, size in reversed(list(enumerate(tiles))) if size > 1)
    end = out[*stack, row, column].store(total).end(*loops)
    return end.sink(arg=KernelInfo(name="product", opts_to_apply=chosen))


def _wide(columns: int) -> int:
    return next(size for size in (16, 8, *range(15, 0, -1)) if columns % size == 0)


def _tall(rows: int, wide: int) -> int:
    return next(size for size in range(min(64 // wide, 16), 0, -1) if rows % size == 0)
