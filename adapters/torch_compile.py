"""torch.compile as each device wants it: C++ around the kernels on a CPU, CUDA graphs of them on a card.

On a card a step of these networks is bound by launches. mode="reduce-overhead" replays what Inductor generated as one
CUDA graph; there weights may change in place only where their address is promised to stay, a batch is copied to where
the graph reads it, and a replay writes over what the one before returned.
https://docs.pytorch.org/docs/stable/torch.compiler_cudagraph_trees.html
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

import torch

Function = Callable[..., Any]


def missing_compiler(device: str) -> str | None:
    """Return what torch.compile lacks here, or None: Inductor calls g++, Triton gcc or clang for what launches."""
    if device == "cpu":
        return None if shutil.which("g++") else "torch.compile needs a C++ compiler on a CPU; install g++"
    found = shutil.which("gcc") or shutil.which("clang")
    return None if found else "torch.compile needs a C compiler on a GPU (Triton builds its launchers); install gcc"


def compiled(function: Function, kept: Sequence[torch.Tensor]) -> Function:
    """Return the function compiled; `kept` are the tensors it reads or changes that always stay where they are."""
    if kept[0].is_cuda:
        return replayed(function, kept)
    # The C++ wrapper spares each call Python's share: mlp, batch 100: 5 % faster.
    wrapped: Function = torch.compile(function, options={"cpp_wrapper": True})
    return wrapped


def replayed(function: Function, kept: Sequence[torch.Tensor]) -> Function:
    """Return the function as a CUDA graph; the gradients it returns are good until it is called again."""
    for tensor in kept:  # else: "skipping cudagraphs due to mutated inputs" (github.com/pytorch/pytorch/issues/103985)
        torch._dynamo.mark_static_address(tensor)
    graph = torch.compile(function, mode="reduce-overhead")

    def call(*batch: torch.Tensor) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        found = graph(*batch)
        if isinstance(found, tuple):
            gradients, loss = found
            return gradients, loss.clone()
        return found.clone()

    return call
