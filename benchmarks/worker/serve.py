"""The worker's half of models/remote.py: an adapter that stays, and answers image by image until its input ends.

Always a batch of one: a compiling framework would compile again for every other size while a person waits.
Lines of JSON both ways; the first says that the adapter is warm. Needs the standard library and NumPy alone.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np

from adapters.contract import Adapter, Array
from adapters.recipes import RECIPES
from benchmarks.worker import clocks as time
from benchmarks.worker.inputs import pixel_values, read_weights
from benchmarks.worker.protocol import ServeRequest, checked_image

Answer = dict[str, Any]
WARM_UP = 5  # outputs computed before the first that anyone waits for: what compiles or allocates has done so
NO_LABEL = np.zeros((1, 1), np.int64)


def serve(adapter_class: type[Adapter], request: ServeRequest, descriptor: int) -> Answer:
    """Answer each line of stdin, an ImageRequest, on a descriptor; return at the end of stdin.

    MessageInvalid for a line that is not one.
    """
    adapter_class.set_threads(request["threads"])
    recipe = RECIPES[request["recipe"]]
    mode = adapter_class.recommended_mode(recipe.model, request["device"])
    adapter = adapter_class(recipe, request["device"], mode, "float32")
    adapter.set_weights(read_weights(Path(request["weights"])))
    values = pixel_values(recipe.pixels, "float32")
    for _ in range(WARM_UP):
        _outputs(adapter, values, np.zeros((28, 28), np.uint8))
    with open(descriptor, "w", closefd=False) as channel:
        _send(channel, {"mode": mode, "version": adapter.versions()[adapter.framework]})
        for line in sys.stdin:
            pixels = base64.b64decode(checked_image(json.loads(line))["image"], validate=True)
            start = time.perf_counter_ns()
            found = _outputs(adapter, values, np.frombuffer(pixels, np.uint8).reshape(28, 28))
            _send(channel, {"outputs": found.tolist(), "seconds": (time.perf_counter_ns() - start) / 1e9})
    return {}


def _outputs(adapter: Adapter, values: Array, image: Array) -> Array:
    """Return the network's outputs, (K,), for one image uint8 (28, 28): to the device, through it and back."""
    batch = adapter.put(values[image][None, None, None], NO_LABEL)  # (S, B, C, H, W), all but H and W 1
    found: Array = adapter.fetch(adapter.evaluate(batch, 0, 1))[0]
    return found


def _send(channel: IO[str], answer: Answer) -> None:
    """Write one line; ValueError for what is no JSON, such as NaN."""
    channel.write(json.dumps({"status": "ok", "reason": "", **answer}, allow_nan=False) + "\n")
    channel.flush()
