"""The command line: `python -m benchmarks COMMAND`; --help lists the commands, cli/ holds them."""

from __future__ import annotations

import benchmarks.cli.declared  # isort: skip  # noqa: F401  # before all that imports declarations
from benchmarks.cli import terminal
from benchmarks.cli.dask import cluster_commands
from benchmarks.cli.info import info_commands
from benchmarks.cli.micro import micro_benchmarks
from benchmarks.cli.models import draw, predict_digits, train_and_save
from benchmarks.cli.program import program
from benchmarks.cli.run import run
from benchmarks.cli.selftest import self_test
from benchmarks.cli.verify import verify
from benchmarks.machine import signals

COMMANDS = {
    "run": run,
    "verify": verify,
    "train": train_and_save,
    "predict": predict_digits,
    "demo": draw,
    "micro": micro_benchmarks,
    "info": info_commands,
    "cluster": cluster_commands,
    "selftest": self_test,
}
app = program(COMMANDS, "Measure how fast deep-learning frameworks compute the same network, and keep what they learn.")


def main() -> None:
    """Run the command line; Ctrl-C, SIGTERM and SIGHUP end it with 130, 143 and 129."""
    terminal.run_app(watched)


def watched() -> None:
    """Run it under the handlers of these signals."""
    with signals.handled():
        app()


if __name__ == "__main__":
    main()
