"""`python -m tests.process.faults.harness ...` is `python -m benchmarks ...` with misbehaving frameworks registered.

fake-NAME is the class NAME of fake.py, run by this Python; fake-broken has an interpreter that does nothing, and
fake-missing none. instant-N are as many copies as a load needs of the worker that answers at once; steady-N take half a
second first, so that something can happen meanwhile; liar-NAME is that worker with an answer that is none.
"""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from typing import Any

from adapters.registry import FRAMEWORKS, Framework
from benchmarks.__main__ import main
from benchmarks.errors import EnvironmentMissing
from benchmarks.launch import launcher, process
from benchmarks.launch.process import Place
from benchmarks.launch.target import Row, Target
from benchmarks.machine import environments, hardware
from benchmarks.machine.memory import UNLIMITED, MemoryLimit
from tests.process.faults import fake

HERE = Path(__file__).parent
INSTANT = [f"instant-{number}" for number in range(10)]
STEADY = [f"steady-{number}" for number in range(3)]
LIES = (
    *("zero", "negative", "infinite", "nan", "huge", "text", "twice", "status", "claims", "mistakes", "deep"),
    *("oversized", "swells", "torn"),
)  # instant.sh says what each is
FAKES = {
    f"fake-{name.lower()}": name for name, _ in inspect.getmembers(fake, inspect.isclass) if name != "NumpyAdapter"
}


def this_python(threads: int = 1, memory: MemoryLimit = UNLIMITED) -> Place:
    """Return where a worker in this interpreter runs, on as many CPUs as there are threads."""
    cpus = tuple(hardware.physical_cpus()[:threads])
    return Place(Path(sys.executable), environments.variables(threads), cpus, memory=memory)


def register() -> None:
    """Let the harness know these frameworks; the real ones stay."""
    interpreter, lock_hash, pinned = environments.interpreter, environments.lock_hash, environments.pinned
    targets = {name: f"tests.process.faults.fake:{of}" for name, of in FAKES.items()}
    targets |= dict.fromkeys([*INSTANT, "fake-broken", "fake-missing"], "tests.process.faults.fake:Fake")
    targets |= dict.fromkeys(STEADY, "steady") | {f"liar-{lie}": lie for lie in LIES}
    FRAMEWORKS.update({name: Framework(target) for name, target in targets.items()})
    places = dict.fromkeys(FAKES, Path(sys.executable)) | {"fake-broken": Path("/bin/false")}
    places |= dict.fromkeys([*INSTANT, *STEADY, *(f"liar-{lie}" for lie in LIES)], HERE / "instant.sh")

    known = {*places, "fake-missing"}

    def found(framework: str, device: str) -> Path:
        if framework == "fake-missing":
            raise EnvironmentMissing("make it with: tox run --notest -e fake-missing-cpu")
        return places.get(framework) or interpreter(framework, device)

    environments.interpreter = found
    environments.lock_hash = lambda framework, device: "fake" if framework in known else lock_hash(framework, device)
    environments.pinned = lambda name, device: {"fake": "1.0"} if name in known else pinned(name, device)
    judged = launcher._judged

    def judged_unless_instant(target: Target, *others: Any) -> Row:
        """Judge what computes; the script that answers at once leaves nothing that could be judged."""
        return {} if places.get(target.cell.framework) == HERE / "instant.sh" else judged(target, *others)

    launcher._judged = judged_unless_instant
    sys.modules["pynvml"] = None  # type: ignore[assignment]  # nobody can say that there is no card
    process.GRACE_S = float(os.environ.get("FAKE_GRACE_S", process.GRACE_S))


if __name__ == "__main__":
    register()
    main()
