"""What this machine can do at most: the denominator of MFU; bandwidths.py has memory's beside it.

The peak at a (device, dtype, threads) is the fastest product of square matrices over all sizes and **all frameworks**,
so that none is measured against its own weakness. It is kept per kind of machine, pinned environments, adapters and
threads. Rows take only a peak that every framework with an environment here had its say in: one of fewer may be too
low, and would make an honest row look impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from adapters.registry import ADAPTERS, CPU_ONLY
from benchmarks import environments, imports, kept, machine
from benchmarks.counting import threads
from benchmarks.errors import EnvironmentMissing
from benchmarks.launch import launch_in

SIZES = (256, 512, 1024, 2048, 4096)
TIMEOUT_S = 300.0
CODE = ("benchmarks.products", "adapters.registry")  # what a peak depends on: what times products, and adapters

Document = dict[str, Any]
Report = Callable[[str], None]


class Point(NamedTuple):
    """Where a peak holds."""

    device: str
    dtype: str
    threads: int

    def __str__(self) -> str:
        return f"{self.dtype} on {self.device}, {threads(self.threads)}"


def there(device: str) -> list[str]:
    """Return the frameworks that have an environment for this device."""
    found = []
    for framework in ADAPTERS:
        try:
            environments.interpreter(framework, device)
        except EnvironmentMissing:
            continue
        if device == "cpu" or framework not in CPU_ONLY:
            found.append(framework)
    return found


def decisive(point: Point, frameworks: Sequence[str], sizes: Sequence[int]) -> Document:
    """Return everything that a kept peak depends on."""
    return {
        **point._asdict(),
        "sizes": list(sizes),
        "locks": locks(frameworks, point.device),
        "machine": machine.fingerprint(point.device),
        "code": imports.code_hash(*CODE),
    }


def locks(frameworks: Sequence[str], device: str) -> dict[str, str]:
    """Return the hash of each framework's pinned environment."""
    return {framework: environments.lock_hash(framework, device) for framework in sorted(frameworks)}


def known(point: Point) -> float | None:
    """Return the kept peak, FLOP/s, of all frameworks that have an environment here; None if there is none."""
    found = kept.read("peaks", decisive(point, there(point.device), SIZES))
    return None if found is None else found["flops_per_s"]


def measured(
    point: Point, frameworks: Sequence[str], sizes: Sequence[int] = SIZES, fresh: bool = False, report: Report = print
) -> Document:
    """Return the kept peak over these frameworks and sizes, or measure it; keep it if every framework had its say.

    The document: device, dtype, threads; flops_per_s, framework and size of the best (null where there is none);
    `frameworks`, what each answered; `complete`, whether none of them failed.
    """
    depends = decisive(point, frameworks, sizes)
    if not fresh and (found := kept.read("peaks", depends)):
        return found
    answers = {}
    for framework in frameworks:
        answers[framework] = ask(point, framework, "products", sizes=list(sizes))
        report(f"{framework}, {point}: {words(answers[framework])}")
    document = {**point._asdict(), **best(answers), "frameworks": answers, "complete": complete(answers)}
    if document["complete"] and document["flops_per_s"]:
        kept.write("peaks", depends, document)
    return document


def ask(point: Point, framework: str, task: str, **amounts: Sequence[int]) -> Document:
    """Let one framework multiply or copy in a fresh process; return its answer with status and reason."""
    request = {"task": task, **point._asdict(), **amounts}
    return answered(framework, point.device, request, point.threads)


def answered(framework: str, device: str, request: Document, threads: int) -> Document:
    """Return how a launch ended, as part of a document."""
    ending = launch_in(framework, device, request, threads, TIMEOUT_S)
    return {"status": ending.status, "reason": ending.reason, **(ending.answer or {})}


def counts(answer: Mapping[str, Any]) -> bool:
    """Return whether a framework's answer has a say: it ended ok, on the threads that were asked for."""
    return answer["status"] == "ok" and not answer["flags"]


def complete(answers: Mapping[str, Mapping[str, Any]]) -> bool:
    """Return whether every framework had its say or has a reason not to have one that will not go away."""
    return all(counts(answer) or answer["status"] == "unsupported" for answer in answers.values())


def best(answers: Mapping[str, Mapping[str, Any]]) -> Document:
    """Return flops_per_s, framework and size of the fastest product over all frameworks and sizes."""
    rates = [
        (item["flops_per_s"], framework, item["size"])
        for framework, answer in answers.items()
        if counts(answer)
        for item in answer["sizes"]
        if "flops_per_s" in item
    ]
    return dict(zip(("flops_per_s", "framework", "size"), max(rates, default=(None,) * 3), strict=True))


def words(answer: Mapping[str, Any]) -> str:
    """Say in a few words what a framework answered."""
    if not counts(answer):
        return ", ".join([answer["status"], *answer.get("flags", []), answer["reason"]]).removesuffix(", ")
    found = best({"": answer})
    return f"{found['flops_per_s'] / 1e9:,.1f} GFLOP/s at {found['size']}"
