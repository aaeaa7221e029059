"""A member that needs a second to end: `--says FILE`, among options of a member, gets how it ended."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from types import FrameType

SAYS = Path(sys.argv[sys.argv.index("--says") + 1])


def end(number: int, frame: FrameType | None) -> None:
    """Take time to end, as a member does that waits for its worker."""
    time.sleep(1)
    SAYS.write_text(f"ended by {signal.Signals(number).name}")
    raise SystemExit


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, end)
    SAYS.write_text("began")
    time.sleep(300)
