"""Looking at a tuning job in a terminal, and what Ctrl-C means there."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

import typer
from rich.console import Console

from pegbox.cli.output import LEFT, document, lines, tell
from pegbox.client import report, unmeasured
from pegbox.client.connection import Connection, NoServer, is_loss
from pegbox.client.following import follow
from pegbox.client.view import view_for

ANSWERS = ("s", "stop", "l", "leave", "w", "watch")


def watch(
    connection: Connection, name: str, console: Console, again: str, introduction: Iterable[str] = ()
) -> tuple[Connection, Mapping[str, Any]]:
    """Show a tuning job until it ends; returns what it is then, and who says so.

    Ctrl-C asks; whoever leaves it ends the command.  When the home's server ends, another one goes on with the job.
    `again`: options for commands that are proposed.
    """
    told = iter(introduction)
    while True:
        sagemaker = connection.client("sagemaker")
        try:
            with _interrupts() as pause:
                lines(console, told)
                with view_for(console) as view:
                    return connection, follow(sagemaker, name, view, pause)
        except KeyboardInterrupt:
            _ask(sagemaker, name, console, again)
        except Exception as error:
            if not is_loss(error):
                raise
            connection = _found_again(connection, name, again)


def _found_again(connection: Connection, name: str, again: str) -> Connection:
    """The server of the same home, or word of how to go on."""
    try:
        return connection.again(tell)
    except NoServer as error:
        raise NoServer(f"{error}; {name} goes on when it is there: pegbox describe {name} --watch{again}") from None


@contextlib.contextmanager
def _interrupts() -> Iterator[Callable[[float], None]]:
    """A pause that is interrupted also by a Ctrl-C whose exception was lost, as it is in a finalizer."""
    heard = threading.Event()

    def note(*_: object) -> NoReturn:
        heard.set()
        raise KeyboardInterrupt

    def pause(seconds: float) -> None:
        if heard.is_set():
            raise KeyboardInterrupt
        time.sleep(seconds)

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody wants it ignored, or hears it already
        yield time.sleep
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield pause
    finally:
        signal.signal(signal.SIGINT, before)


def _ask(sagemaker: Any, name: str, console: Console, again: str) -> None:
    """Stop the job, leave it, or go on; without a terminal it is left."""
    answer = "l"
    if sys.stdin.isatty() and console.is_terminal:
        try:
            question = f"\nStop {name} [s], leave it running [l], or watch on [w]?"
            while (answer := typer.prompt(question, default="l", err=console.stderr).strip().lower()) not in ANSWERS:
                lines(console, ["Type s, l or w."])
        except typer.Abort:  # Ctrl-C again
            console.print()
    if answer.startswith("s"):
        stop(sagemaker, name)
    elif answer.startswith("l"):
        watch_again, end = f"pegbox describe {name} --watch{again}", f"pegbox stop {name}{again}"
        lines(console, [f"{name} goes on.", f"watch   {watch_again}", f"stop    {end}"])
        raise typer.Exit(LEFT)


def conclude(connection: Connection, tuning: Mapping[str, Any], console: Console, again: str, as_json: bool) -> None:
    """Tell how a tuning job has ended; exit code 1 unless it completed and has a result."""
    if as_json:
        document(tuning)
        lines(console, unmeasured.reasons(connection, tuning, again))
    else:
        lines(console, ["", report.outcome(tuning), *report.failure(connection, tuning, again)])
        lines(console, unmeasured.reasons(connection, tuning, again))
        lines(console, [*report.best(tuning), *report.places(connection, tuning, again)])
    if tuning["HyperParameterTuningJobStatus"] != "Completed" or unmeasured.is_unmeasured(tuning):
        raise typer.Exit(1)


def stop(sagemaker: Any, name: str) -> None:
    """Ask a tuning job to stop; one that has just ended is left as it is."""
    try:
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    except sagemaker.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
