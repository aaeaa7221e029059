"""Fuzz one parser: `python -m tests.fuzz.fuzzing TARGET FOLDER SECONDS`, and options of libFuzzer if there are any.

target_TARGET.py has ERRORS, the errors that may leave its parser; seeds(), files of the product's own writers or,
where it has none, of the format's; TOKENS, bytes that are worth a try; content(data), the file made of the fuzzer's
bytes; parse(path). Anything else that leaves the parser, a message of more than one short line, memory above the limit
and an input that takes seconds end the run with an exit code and the input, kept in FOLDER.
"""

from __future__ import annotations

import importlib
import resource
import sys
from pathlib import Path
from types import ModuleType

import atheris

MEMORY_BYTES = 128 << 20  # above what the imports took: a reader that believes a header's 2^32 needs more at once
INPUT_S = 5
MAX_INPUT_BYTES = 16_384
MAX_MESSAGE_CHARS = 1000


def limit_memory() -> None:
    """Let this process have MEMORY_BYTES of address space more than it has."""
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY_BYTES,) * 2)


def prepare(target: ModuleType, folder: Path) -> list[str]:
    """Write the target's seeds and tokens into the folder; return libFuzzer's options that name them."""
    corpus, tokens = folder / "corpus", folder / "tokens"
    corpus.mkdir()
    for number, seed in enumerate(target.seeds()):
        (corpus / str(number)).write_bytes(seed)
    quoted = ("".join(map("\\x{:02x}".format, token)) for token in target.TOKENS)
    tokens.write_text("".join(f'"{token}"\n' for token in quoted))
    return [f"-dict={tokens}", f"-artifact_prefix={folder}/", str(corpus)]


def main() -> None:
    """Run until the time is up or something is found."""
    name, folder, seconds, *more = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    with atheris.instrument_imports(include=["adapters", "benchmarks", "tomllib"]):
        target = importlib.import_module(f"tests.fuzz.target_{name}")
    path = folder / "input"

    def one(data: bytes) -> None:
        path.write_bytes(target.content(data))
        try:
            target.parse(path)
        except target.ERRORS as error:
            message = str(error)
            if not message.isprintable() or len(message) > MAX_MESSAGE_CHARS:
                raise AssertionError(f"no short line: {message!r}") from error

    one(next(iter(target.seeds())))  # threads and pools that a first call makes are no part of the limit
    limits = [f"-max_total_time={seconds}", f"-timeout={INPUT_S}", f"-max_len={MAX_INPUT_BYTES}"]
    atheris.Setup([sys.argv[0], *limits, *more, *prepare(target, folder)], one)
    limit_memory()
    atheris.Fuzz()


if __name__ == "__main__":
    main()
