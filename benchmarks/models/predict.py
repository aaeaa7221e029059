"""Pictures that a person names, read by every framework with the same weights: what `predict` finds and shows."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError, UsageError, WorkerLost, shown
from benchmarks.models import pictures
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.models.remote import Warm, probabilities
from benchmarks.plan.data.pictures import MAX_BYTES, decode

Grey = npt.NDArray[np.uint8]
STDIN = "-"
DIGITS = 10


@dataclass
class Picture:
    """A picture by the name that was typed; `problem` where it could not be read, else what networks see of it."""

    name: str
    problem: str = ""
    views: dict[str, Grey] = field(default_factory=dict)  # `seen`, and `naive` where asked for: (28, 28)
    read: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # framework, view: ten probabilities

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values; pixels 0 to 255, light ink on dark."""
        views = {view: image.tolist() for view, image in self.views.items()}
        return {"image": self.name, "problem": self.problem or None, "pixels": views, "probabilities": self.read}


def picture(name: str, naive: bool) -> Picture:
    """Read a picture file, or stdin for `-`; never raises for what is wrong with it."""
    try:
        grey = decode(_content(name))
        views = {"seen": pictures.mnist_like(grey)}
    except DataError as error:
        return Picture(name, f"cannot read a digit from {shown(name)}: {error}")
    return Picture(name, views=views | ({"naive": pictures.resized(grey)} if naive else {}))


def _content(name: str) -> bytes:
    """Return a file's bytes, or one more than decode() takes; DataError where there is no regular file."""
    most = MAX_BYTES + 1
    if name == STDIN:
        return sys.stdin.buffer.read(most)
    try:
        if not Path(name).is_file():  # a pipe or a device would be waited for
            raise DataError("no such file" if not Path(name).exists() else "not a file")
        with open(name, "rb") as file:
            return file.read(most)
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise DataError(getattr(error, "strerror", None) or str(error)) from error


def predict(
    pictures: Sequence[Picture], saved: Checkpoint, frameworks: Sequence[str], device: str, say: Callable[[str], None]
) -> list[str]:
    """Let each framework read all pictures that can be read; return the frameworks that could not, having said why.

    UsageError for a network that gives no probabilities, such as `linear`, whose output is a number.
    """
    if saved.recipe.model.outputs != DIGITS:
        raise UsageError(
            f"{saved.recipe.name!r} gives a number, not probabilities of ten digits; predict needs another network"
        )
    views = [(good, view) for good in pictures for view in good.views]
    lost: list[str] = []

    @contextlib.contextmanager
    def noted(framework: str) -> Iterator[None]:
        try:
            yield
        except WorkerLost as error:
            say(str(error))
            lost.append(framework)

    with contextlib.ExitStack() as stack:
        workers = []
        for name in frameworks if views else ():
            with noted(name):  # they warm up side by side
                workers.append(stack.enter_context(Warm(name, device, saved.recipe, saved.weights, 1)))
        for worker in workers:
            with noted(worker.framework):
                outputs, _ = worker.outputs(np.stack([found.views[view] for found, view in views]))
                for (found, view), shares in zip(views, probabilities(outputs).tolist(), strict=True):
                    found.read.setdefault(worker.framework, {})[view] = shares
    return lost


def best(shares: Sequence[float], count: int = 3) -> list[tuple[int, float]]:
    """Return the most probable digits with their probabilities, the most probable first."""
    return [(int(which), shares[which]) for which in np.argsort(shares)[::-1][:count]]
