"""A tuning job while it runs: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from pegbox.client.answers import ENDED, Job, aim, failed, lacks_value, objective
from pegbox.client.lines import one_line

PLOT_ROWS = 7
MARGIN = 12  #: columns of the plot's scale
FRAME = 4  #: columns of the panel around it


class View(Protocol):
    """Shows the state of a tuning job again and again."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def show(self, tuning: Mapping[str, Any], jobs: Sequence[Job]) -> None:
        """Show DescribeHyperParameterTuningJob's answer and all summaries, in launch order."""
        ...


def view_for(console: Console) -> View:
    """The view that fits the place where it is seen."""
    return LiveView(console) if console.is_terminal else PlainView(console)


class PlainView:
    """A line for each training job that ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, tuning: Mapping[str, Any], jobs: Sequence[Job]) -> None:
        """Print what is new."""
        for job in jobs:
            name, status = job["TrainingJobName"], job["TrainingJobStatus"]
            if status in ENDED and name not in self._told:
                self._told.add(name)
                shown = _result(job, tuning)
                line = f"{len(self._told):3d}  {name}  {status}  {shown}".rstrip()
                self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _result(job: Job, tuning: Mapping[str, Any]) -> str:
    if lacks_value(job):
        return f"no value of {aim(tuning).get('MetricName')}"
    value = objective(job)
    return one_line(job.get("FailureReason")) if value is None else f"{value:.6g}"


class LiveView:
    """Counts, the best so far, a progress bar and a plot of the objective, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("training jobs"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn()
        )
        self._task = self._progress.add_task("jobs", total=None)
        self._tuning: Mapping[str, Any] = {}
        self._jobs: Sequence[Job] = ()
        self._live = Live(console=console, refresh_per_second=8, get_renderable=self._draw)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, tuning: Mapping[str, Any], jobs: Sequence[Job]) -> None:
        """Take over the new state; the next refresh draws it."""
        self._tuning, self._jobs = tuning, jobs
        begin, end = tuning["CreationTime"], tuning.get("HyperParameterTuningEndTime")
        clock = self._progress.tasks[0]
        clock.start_time = self._progress.get_time() - max(0.0, (datetime.now(UTC) - begin).total_seconds())
        clock.stop_time = None if end is None else clock.start_time + (end - begin).total_seconds()
        most = tuning["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs")
        done = sum(job["TrainingJobStatus"] in ENDED for job in jobs)
        self._progress.update(self._task, total=most, completed=done)

    def _draw(self) -> RenderableType:
        if not self._tuning:
            return Text("starting …")
        parts: list[RenderableType] = [self._progress, _counts(self._tuning)]
        values = [objective(job) for job in self._jobs]
        if any(value is not None for value in values):
            maximize = aim(self._tuning).get("Type") == "Maximize"
            drawn = plot(values, maximize=maximize, width=self._console.width - FRAME)
            parts += [Text(), drawn, Text(), _best(self._tuning)]
        if lack := _first_lack(self._jobs, self._tuning):
            parts += [Text(), Text(lack, style="yellow")]
        if failure := _last_failure(self._jobs):
            parts += [Text(), Text(failure, style="red", overflow="ellipsis", no_wrap=True)]
        name = self._tuning["HyperParameterTuningJobName"]
        return Panel(Group(*parts), title=f"tuning job {name}", border_style="cyan")


def plot(values: Sequence[float | None], *, maximize: bool, width: int = 80, rows: int = PLOT_ROWS) -> Text:
    """The objective value of each training job as a dot, the best so far as a line, within `width` columns.

    Several training jobs share a column when there are more of them than columns.
    """
    seen = [value for value in values if value is not None]
    low, high = _range(seen, maximize)
    gap, each = _pitch(len(values), width - MARGIN)
    columns = -(-len(values) // each)
    grid = [[" "] * columns for _ in range(rows)]

    def row(value: float) -> int:
        place = (min(max(value, low), high) - low) / (high - low or 1.0)
        return rows - 1 - round(place * (rows - 1))

    best: float | None = None
    for column in range(columns):
        here = [value for value in values[column * each : (column + 1) * each] if value is not None]
        best = (max if maximize else min)([*here, best] if best is not None else here, default=None)
        if best is not None:
            grid[row(best)][column] = "─"
        for value in here:
            grid[row(value)][column] = "●"
    lines = Text()
    for number, cells in enumerate(grid):
        label = f"{high:9.5g}" if number == 0 else f"{low:9.5g}" if number == rows - 1 else " " * 9
        lines.append(f"{label} ┤ ", style="dim")
        lines.append((" " * gap).join(cells) + "\n", style="green")
    lines.append(" " * 10 + "└" + "─" * ((gap + 1) * columns), style="dim")
    return lines


def _pitch(jobs: int, room: int) -> tuple[int, int]:
    """Blanks between two columns, and training jobs in each."""
    room = max(1, room)
    for gap in (2, 1, 0):
        if jobs * (gap + 1) <= room:
            return gap, 1
    return 0, -(-jobs // room)


def _range(values: Sequence[float], maximize: bool) -> tuple[float, float]:
    """What the plot spans: the better three quarters, so that one bad job does not flatten the rest."""
    ordered, worse = sorted(values), len(values) // 4
    return (ordered[worse], ordered[-1]) if maximize else (ordered[0], ordered[-1 - worse])


def _counts(tuning: Mapping[str, Any]) -> Text:
    counters = tuning["TrainingJobStatusCounters"]
    return Text(
        f"{counters['InProgress']} running   {counters['Completed']} completed   "
        f"{failed(tuning)} failed   {counters['Stopped']} stopped",
        style="dim",
    )


def _first_lack(jobs: Sequence[Job], tuning: Mapping[str, Any]) -> str:
    """The training job that completed first of those that printed no value: all others may do the same."""
    name = next((job["TrainingJobName"] for job in jobs if lacks_value(job)), None)
    metric = aim(tuning).get("MetricName")
    return f"{name} ended and printed no value of {metric}: see pegbox logs {name}" if name else ""


def _last_failure(jobs: Sequence[Job]) -> str:
    """Of the training job that failed last."""
    last = next((job for job in reversed(jobs) if job["TrainingJobStatus"] == "Failed"), None)
    return "" if last is None else f"{last['TrainingJobName']} failed: {one_line(last.get('FailureReason'))}"


def _best(tuning: Mapping[str, Any]) -> RenderableType:
    best = tuning.get("BestTrainingJob")
    if best is None:
        return Text("no result yet", style="dim")
    table = Table.grid(padding=(0, 2))
    table.add_row("best so far", Text(best["TrainingJobName"], style="bold"), f"{objective(best):.6g}")
    for name, value in sorted(best["TunedHyperParameters"].items()):
        table.add_row("", name, value)
    return table
