"""What a driver sends to members, as JSON: orders, and questions that their event loops answer at once.

An order begins a part of a sweep or measures a block of it; member.carry_out takes it, in its turn.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

from distributed import Client

from benchmarks.plan.cells import Block, Request
from benchmarks.sweep.dask import member
from benchmarks.sweep.dask.facts import Facts, requested_points, requested_probes

Json = dict[str, Any]
ANSWER_S = 20.0


class Answer:
    """What a member answered, or an error in words."""

    def __init__(self, text: Any) -> None:
        self.content: Json = {}
        if isinstance(text, BaseException):  # rows repeat the words, and no address may stand in them
            self.error = "it does not answer" if isinstance(text, OSError) else f"{type(text).__name__}: {text}"
            return
        try:
            self.content = dict(json.loads(text))
            self.error = str(self.content.get("error", ""))
        except (TypeError, ValueError) as error:
            self.error = f"its answer is not valid: {error}"


def ask_all(
    client: Client, addresses: Sequence[str], question: str, within_s: float = ANSWER_S, **about: Any
) -> dict[str, Answer]:
    """Ask several members one of member.QUESTIONS and return their answers by address."""
    text = json.dumps({"question": question, **about})
    try:
        # Client.run takes no limit of time, and a member whose link was cut never answers.
        answers = client.sync(
            client._run, member.answer, text, workers=list(addresses), on_error="return", callback_timeout=within_s
        )
    except Exception as error:
        return {address: Answer(error) for address in addresses}
    return {address: Answer(answers.get(address, EOFError("no answer"))) for address in addresses}


def ask(client: Client, address: str, question: str, **about: Any) -> Answer:
    """Ask one member."""
    return ask_all(client, [address], question, **about)[address]


SENT_FIELDS = ("epochs", "timeout_s", "proof_timeout_s", "fresh_proof", "memory_bytes", "peak")


def requested_modes(request: Request) -> Json:
    """Return what run records say of the modes that were asked for."""
    return {"modes": "recommended"} if all(mode is None for mode in request.axes.modes) else {}


def opening(request: Request, sweep: str, base: str, facts: Facts) -> Json:
    """Return the order to begin a part of the sweep `base`, under the name `sweep`, for a machine with these facts."""
    return {
        "order": "open",
        "sweep": sweep,
        "part_of": base,
        "probes": [list(pair) for pair in requested_probes(request.axes, facts)],
        "points": [list(point) for point in requested_points(request.axes, facts)],
        "revisions": list(request.axes.revisions),
        "requested": requested_modes(request),
        **request.record(),
        **{name: getattr(request, name) for name in SENT_FIELDS},
        "data_dir": str(request.data_dir.absolute()) if request.data_dir else None,
        "sets": list(request.sets),
    }


def measuring(sweep: str, block: Block, attempt: int, left_s: float) -> Json:
    """Return the order to measure a block; `left_s` is what is left of the time cap."""
    return {
        "order": "measure",
        "sweep": sweep,
        "task": block.task,
        "round": block.round,
        "seed": block.seed,
        "attempt": attempt,
        "cells": [dataclasses.asdict(cell) for cell in block.cells],
        "time_left_s": left_s if math.isfinite(left_s) else None,
    }
