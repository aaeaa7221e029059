"""The command line: `python -m benchmarks COMMAND`; --help lists the commands, commands/ holds them."""

from __future__ import annotations

from collections.abc import Callable

import typer

from benchmarks import console, interruption
from benchmarks.commands.check import check_up
from benchmarks.commands.demo import draw
from benchmarks.commands.engine import collect, join, schedule
from benchmarks.commands.evaluate import evaluate_saved
from benchmarks.commands.exchange import exchange_weights
from benchmarks.commands.lockstep import lockstep
from benchmarks.commands.micro import micro_benchmarks
from benchmarks.commands.peak import machine_peak
from benchmarks.commands.predict import predict_digits
from benchmarks.commands.run import run
from benchmarks.commands.selfcheck import check_measuring
from benchmarks.commands.show import describe_model, list_frameworks
from benchmarks.commands.train import train_and_save

app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
COMMANDS: dict[str, Callable[..., None]] = {
    "run": run,
    "lockstep": lockstep,
    "peak": machine_peak,
    "exchange": exchange_weights,
    "train": train_and_save,
    "evaluate": evaluate_saved,
    "predict": predict_digits,
    "demo": draw,
    "selfcheck": check_measuring,
    "micro": micro_benchmarks,
    "schedule": schedule,
    "join": join,
    "collect": collect,
    "list": list_frameworks,
    "describe": describe_model,
    "check": check_up,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Run the command line; Ctrl-C, SIGTERM and SIGHUP end it with 130, 143 and 129."""
    console.run_app(watched)


def watched() -> None:
    """Run it under the handlers of these signals."""
    with interruption.watched():
        app()


if __name__ == "__main__":
    main()
