"""`pegbox metrics test`: try metric definitions on a log before a job depends on them."""

from __future__ import annotations

import re
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pegbox import regex
from pegbox.counts import either
from pegbox.runner.compat import CPU_SECONDS
from pegbox.runner.lines import LINE_LIMIT, valid
from pegbox.runner.parse import MetricParser, number

SHOWN = 20  #: lines without a match that are printed unless --all

app = typer.Typer(help="Metric definitions.", no_args_is_help=True)


@dataclass(slots=True)
class Finding:
    """What one definition finds in the log."""

    name: str
    expression: str
    problem: str = ""
    values: list[float] = field(default_factory=list)
    line: int | None = None  #: number of the first line that matches


@app.callback()
def metrics() -> None:
    """Metric definitions."""


@app.command()
def test(
    log: Annotated[str, typer.Argument(help="The log file, or - for standard input.")],
    definitions: Annotated[
        Path,
        typer.Option(
            help="JSON or YAML: a list of {Name, Regex}, a request that has MetricDefinitions somewhere, or what "
            "`pegbox tune` takes."
        ),
    ],
    every: Annotated[bool, typer.Option("--all", help=f"Print all lines without a match, not only {SHOWN}.")] = False,
) -> None:
    """Show what each metric definition finds in LOG.  Exit code 1 if one finds nothing."""
    findings = _read_definitions(definitions)
    lines = _lines(sys.stdin.buffer.read() if log == "-" else _bytes_of(Path(log)))
    unmatched = search(findings, lines)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False, soft_wrap=not sys.stdout.isatty())
    _print_table(console, findings)
    _print_unmatched(console, lines, unmatched, None if every else SHOWN)
    if not all(finding.values for finding in findings):
        raise typer.Exit(1)


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from None


def _read_definitions(path: Path) -> list[Finding]:
    from pegbox.client.document import UnreadableFile
    from pegbox.client.faults import RequestFaults

    try:
        request = _request(path)
    except (UnreadableFile, RequestFaults) as error:
        raise typer.BadParameter(str(error)) from None
    listed = request if isinstance(request, list) else [each for found in _lists(request) for each in found]
    try:
        findings = [Finding(each["Name"], each["Regex"]) for each in listed]
    except (TypeError, KeyError):
        raise typer.BadParameter("each metric definition needs a Name and a Regex") from None
    if not all(isinstance(text, str) for each in findings for text in (each.name, each.expression)):
        raise typer.BadParameter("each metric definition needs a Name and a Regex that are strings")
    if not findings:
        raise typer.BadParameter(f"{path} has no metric definitions")
    return findings


def _request(path: Path) -> Any:
    """What the file says; of the short form the request that it stands for."""
    from pegbox.client import document, short_form

    root = document.read(path)
    is_short = isinstance(root.value, dict) and bool({"minimize", "maximize", "metric"} & root.value.keys())
    return short_form.wanted(path, root).request if is_short else root.plain


def _lists(within: Any) -> Iterator[list[Any]]:
    """All values of MetricDefinitions, however deep."""
    if isinstance(within, Mapping):
        for key, value in within.items():
            if key == "MetricDefinitions" and isinstance(value, list):
                yield value
            else:
                yield from _lists(value)
    elif isinstance(within, list):
        for value in within:
            yield from _lists(value)


def _lines(data: bytes) -> list[list[bytes]]:
    """The log's lines as an editor counts them, each as the parts between carriage returns that are matched."""
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [[valid(part[:LINE_LIMIT]) for part in line.split(b"\r")] for line in lines]


def search(findings: list[Finding], lines: list[list[bytes]]) -> list[int]:
    """Fill in the findings.  Returns the numbers (from 1) of the lines in which no definition finds a value."""
    linear: dict[int, str] = {}
    backtracking: dict[int, re.Pattern[str]] = {}
    for index, finding in enumerate(findings):
        try:
            engine = regex.check(finding.expression).engine
        except regex.InvalidExpression as error:
            finding.problem = str(error)
            continue
        if engine is regex.Engine.LINEAR:
            linear[index] = finding.expression
        else:
            backtracking[index] = _compiled(finding.expression)
    parser = MetricParser(linear)
    unmatched = []
    for place, parts in enumerate(lines, start=1):
        hits = [hit for part in parts for hit in parser.feed(part + b"\n")]
        for index, expression in list(backtracking.items()):
            try:
                hits += [(0, index, value) for part in parts for value in _backtrack(expression, part)]
            except TimeoutError:
                findings[index].problem = f"given up: it took more than {CPU_SECONDS:g} s of CPU on line {place}"
                del backtracking[index]
        for _, index, value in hits:
            findings[index].values.append(value)
            findings[index].line = findings[index].line or place
        if not hits:
            unmatched.append(place)
    return unmatched


def _compiled(expression: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re.compile(expression)


def _backtrack(expression: re.Pattern[str], line: bytes) -> list[float]:
    """All values in a line.  Raises TimeoutError after as much time as a job would give the expression.

    A match looks for signals now and then, so a timer of the kernel can end it.
    """
    previous = signal.signal(signal.SIGVTALRM, _too_long)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    try:
        found = [number((match.group(1) or "").encode()) for match in expression.finditer(line.decode())]
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)
    return [value for value in found if value is not None]


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise TimeoutError


def _print_table(console: Console, findings: list[Finding]) -> None:
    table = Table("Metric", "Values", "First", "Last", "First line", "Expression", box=None, pad_edge=False)
    for column in table.columns[1:5]:
        column.justify = "right"
    for finding in findings:
        cells = [repr(finding.values[0]), repr(finding.values[-1]), str(finding.line)] if finding.values else ["-"] * 3
        table.add_row(*map(Text, [finding.name, str(len(finding.values)), *cells, finding.expression]))
    console.print(table)
    for finding in findings:
        if finding.problem:
            console.print(f"{finding.name}: {finding.problem}", markup=False)
        elif not finding.values:
            console.print(f"{finding.name}: finds nothing", markup=False)


def _print_unmatched(console: Console, lines: list[list[bytes]], unmatched: list[int], most: int | None) -> None:
    matching = either(len(unmatched), "matches", "match")
    console.print(f"{len(unmatched):,} of {len(lines):,} lines {matching} nothing{':' if unmatched else ''}")
    for place in unmatched[:most]:
        text = b"\r".join(lines[place - 1]).decode()
        console.print(f"{place:>8}  {text.strip()}", markup=False)
    if most is not None and len(unmatched) > most:
        console.print(f"... and {len(unmatched) - most} more (--all prints them)")
