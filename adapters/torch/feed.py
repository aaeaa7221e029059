"""torch's host input: batches gathered in host memory, and to a card sent while the one before is trained on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch.utils import data

from adapters.contract import Array

Batch = tuple[torch.Tensor, torch.Tensor]


class Samples(data.Dataset):
    """All samples in host memory; an index is a batch's rows, gathered in one call."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.images, self.labels = images, labels

    def __getitem__(self, rows: torch.Tensor) -> Batch:
        return self.images.index_select(0, rows), self.labels.index_select(0, rows)


def endless(images: Array, labels: Array, order: Array, place: torch.device) -> Iterator[Batch]:
    """Yield images (B, C, H, W) and labels (B,) on the device, in the order's rows (S, B), wrapping round."""
    # No workers: 313 kB cost more to pass between processes than to gather (NOTES.md).
    # torch takes no arrays with negative strides: a view may have them.
    pixels, digits, rows = (torch.from_numpy(np.ascontiguousarray(array)) for array in (images, labels, order))
    cycle, pinned = itertools.cycle(rows.unbind(0)), place.type == "cuda"
    loader = data.DataLoader(Samples(pixels, digits), batch_size=None, sampler=cycle, pin_memory=pinned)
    return _overlapped(loader, place) if pinned else (_laid_out(batch) for batch in loader)


def _overlapped(batches: Iterable[Batch], place: torch.device) -> Iterator[Batch]:
    """Yield pinned batches on a card, the copy of the next one always begun before.

    Copies have a stream of their own: on the one that computes, each would wait for the step before it and hold up the
    step after it. https://pytorch.org/docs/stable/notes/cuda.html#use-pinned-memory-buffers
    """
    stream = torch.cuda.Stream(place)

    def begun(batch: Batch) -> tuple[Batch, torch.cuda.Event]:
        with torch.cuda.stream(stream):
            images, labels = (tensor.to(place, non_blocking=True) for tensor in batch)
            return _laid_out((images, labels)), stream.record_event()

    source = iter(batches)
    ahead = begun(next(source))
    for following in source:
        (batch, copied), ahead = ahead, begun(following)
        computing = torch.cuda.current_stream(place)
        computing.wait_event(copied)
        for tensor in batch:
            tensor.record_stream(computing)  # else its memory is given to a later copy while a step still reads it
        yield batch


def _laid_out(batch: Batch) -> Batch:
    """Return a batch with the channels of its images last in memory."""
    images, labels = batch
    return images.to(memory_format=torch.channels_last), labels
