"""Questions that a member's event loop answers at once, whatever its machine measures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from distributed import Client

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
    client: Client, addresses: Sequence[str], work: Callable[..., str], within_s: float = ANSWER_S, **given: Any
) -> dict[str, Answer]:
    """Ask several members the same and return their answers by address."""
    arguments = (json.dumps(given),) if given else ()
    try:
        # Client.run takes no limit of time, and a member whose link was cut never answers.
        found = client.sync(
            client._run, work, *arguments, workers=list(addresses), on_error="return", callback_timeout=within_s
        )
    except Exception as error:
        return {address: Answer(error) for address in addresses}
    return {address: Answer(found.get(address, EOFError("no answer"))) for address in addresses}


def ask(client: Client, address: str, work: Callable[..., str], **given: Any) -> Answer:
    """Ask one member."""
    return ask_all(client, [address], work, **given)[address]
