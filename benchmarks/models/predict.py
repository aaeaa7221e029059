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

from adapters.declaration import Model
from benchmarks.errors import DataError, UsageError, WorkerLost, shown
from benchmarks.models import pictures
from benchmarks.models.checkpoint import Checkpoint
from benchmarks.models.remote import Warm, probabilities
from benchmarks.plan.data import size
from benchmarks.plan.data.pictures import MAX_BYTES, decode

Grey = npt.NDArray[np.uint8]
STDIN = "-"
DIGITS = (1, 28, 28)  # the shape of MNIST's images: what reads these reads digits, prepared as they were


@dataclass
class Picture:
    """A picture by the name that was typed; `problem` where it could not be read, else what networks see of it."""

    name: str
    problem: str = ""
    views: dict[str, Grey] = field(default_factory=dict)  # `seen`, and `naive` where asked for: (C, H, W)
    read: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # framework, view: a probability by class

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values; pixels 0 to 255, (H, W) or (C, H, W) where there are several channels."""
        views = {view: (image if len(image) > 1 else image[0]).tolist() for view, image in self.views.items()}
        return {"image": self.name, "problem": self.problem or None, "pixels": views, "probabilities": self.read}


def picture(name: str, model: Model, naive: bool) -> Picture:
    """Read a picture file, or stdin for `-`, as a model sees it; never raises for what is wrong with it.

    A digit is light on dark and centred as MNIST's are, `naive` ones apart; other models get the picture resized.
    """
    channels, height, width = model.input_shape
    try:
        pixels = decode(_content(name), colours=channels > 1)
        if model.input_shape != DIGITS:
            return Picture(name, views={"seen": _channels_first(pictures.resized(pixels, (height, width)), channels)})
        views = {"seen": pictures.mnist_like(pixels)[None]}
    except DataError as error:
        what = "a digit from " if model.input_shape == DIGITS else ""
        return Picture(name, f"cannot read {what}{shown(name)}: {error}")
    return Picture(name, views=views | ({"naive": pictures.resized(pixels)[None]} if naive else {}))


def _channels_first(image: Grey, channels: int) -> Grey:
    """Return (H, W) or (H, W, 3) as (C, H, W); a grey one has the same in each channel."""
    return image.transpose(2, 0, 1) if image.ndim == 3 else np.repeat(image[None], channels, axis=0)


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


def check(model: Model, naive: bool) -> None:
    """Raise UsageError for a model that cannot read pictures, or not so.

    One with one output, such as `linear`, gives a number; a picture has one channel or three.
    """
    if model.outputs == 1:
        raise UsageError(
            f"{model.name!r} gives a number, not the probability of each class; predict needs another network"
        )
    if model.input_shape[0] not in (1, 3):
        raise UsageError(f"{model.name!r} reads {size(model.input_shape)}; a picture has 1 channel or 3")
    if naive and model.input_shape != DIGITS:
        raise UsageError(
            f"--naive is for networks that read {size(DIGITS)}; {model.name!r} reads {size(model.input_shape)}"
        )


def predict(
    pictures: Sequence[Picture], saved: Checkpoint, frameworks: Sequence[str], device: str, say: Callable[[str], None]
) -> list[str]:
    """Let each framework read all pictures that can be read; return the frameworks that could not, having said why."""
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
    """Return the most probable classes with their probabilities, the most probable first."""
    return [(int(which), shares[which]) for which in np.argsort(shares)[::-1][:count]]
