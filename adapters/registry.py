"""Which adapter serves which framework; nothing is imported until it is asked for.

A worker of one framework's environment can import no other framework, so the table holds names only.
"""

from __future__ import annotations

import importlib

from adapters.contract import Adapter

ADAPTERS = {
    "torch": "adapters.torch:TorchAdapter",
    "tensorflow": "adapters.tensorflow:TensorflowAdapter",
    "paddle": "adapters.paddle:PaddleAdapter",
    "mxnet": "adapters.mxnet:MxnetAdapter",
    "jax": "adapters.jax:JaxAdapter",
    "numpy": "adapters.numpy:NumpyAdapter",
}
CPU_ONLY = frozenset({"numpy"})  # there is no such thing as these on a GPU


def load(target: str) -> type[Adapter]:
    """Import and return the adapter class that `module:Class` names; ImportError where it cannot."""
    module, _, name = target.partition(":")
    found: type[Adapter] = getattr(importlib.import_module(module), name)
    return found
