"""`python -m tests.faults.harness ...` is `python -m benchmarks ...` with the misbehaving frameworks registered.

fake-NAME is the class NAME of fake.py, run by this Python; instant-N are as many copies as a load needs of the
worker that answers at once.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from adapters.registry import ADAPTERS
from benchmarks import environments
from benchmarks.__main__ import main
from tests.faults import fake

HERE = Path(__file__).parent
INSTANT = [f"instant-{number}" for number in range(10)]
FAKES = {
    f"fake-{name.lower()}": name for name, _ in inspect.getmembers(fake, inspect.isclass) if name != "NumpyAdapter"
}


def register() -> None:
    """Let the harness know these frameworks; the real ones stay."""
    interpreter, lock_hash = environments.interpreter, environments.lock_hash
    ADAPTERS.update({name: f"tests.faults.fake:{of}" for name, of in FAKES.items()})
    ADAPTERS.update(dict.fromkeys(INSTANT, "tests.faults.fake:Fake"))
    places = dict.fromkeys(FAKES, Path(sys.executable)) | dict.fromkeys(INSTANT, HERE / "instant.sh")
    environments.interpreter = lambda framework, device: places.get(framework) or interpreter(framework, device)
    environments.lock_hash = lambda framework, device: "fake" if framework in places else lock_hash(framework, device)


if __name__ == "__main__":
    register()
    main()
