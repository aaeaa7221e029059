"""Wrappers: what trains by a framework in place of a loop of one's own, as its tutorial calls it. Arms of a framework.

Each is an adapter as any other (contract.py), held to the same network by the same gate; the registry names them. A
chunk of steps is one call of the wrapper's own loop.
"""


def missing(device: str, input: str = "preloaded") -> str | None:
    """Return why no wrapper that has a `fit` computes on a device, or takes batches so; None where it does."""
    if device == "gpu":
        return "wrappers are measured on a CPU alone so far"
    return "fit takes its batches from memory itself; it is measured as preloaded" if input == "host" else None
