"""The command line: `python -m benchmarks COMMAND`; --help lists the commands, cli/ holds them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from benchmarks.cli import checks, terminal
from benchmarks.cli.dask import collect, join, schedule
from benchmarks.cli.micro import micro_benchmarks
from benchmarks.cli.models import draw, evaluate_saved, exchange_weights, predict_digits, train_and_save
from benchmarks.cli.run import run
from benchmarks.machine import signals

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "lockstep": checks.lockstep,
    "peak": checks.machine_peak,
    "exchange": exchange_weights,
    "train": train_and_save,
    "evaluate": evaluate_saved,
    "predict": predict_digits,
    "demo": draw,
    "selfcheck": checks.check_measuring,
    "micro": micro_benchmarks,
    "schedule": schedule,
    "join": join,
    "collect": collect,
    "list": checks.list_frameworks,
    "describe": checks.describe_model,
    "check": checks.check_up,
    "lane": checks.ask_everything,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Run the command line; Ctrl-C, SIGTERM and SIGHUP end it with 130, 143 and 129."""
    terminal.run_app(watched)


def watched() -> None:
    """Run it under the handlers of these signals."""
    with signals.handled():
        app()


if __name__ == "__main__":
    main()
