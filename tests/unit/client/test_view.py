"""The plot of a search fits its place, however many training jobs there are."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pegbox.client.view import plot, view_for


@pytest.mark.parametrize("jobs", [1, 5, 30, 60, 61, 68, 69, 750])
def test_the_plot_fits_and_shows_every_job(jobs: int) -> None:
    values = [None if number % 7 == 3 else float(number % 11) for number in range(jobs)]
    lines = plot(values, maximize=False, width=80).plain.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) == 8
    if jobs <= 68:
        assert sum(line.count("●") for line in lines) == sum(value is not None for value in values)


def test_the_line_is_the_best_so_far() -> None:
    lines = plot([3.0, 1.0, None, 2.0], maximize=False, width=80, rows=3).plain.splitlines()
    assert [line[12:] for line in lines[:3]] == ["●         ", "         ●", "   ●  ─  ─"]
    up = plot([3.0, 1.0, None, 2.0], maximize=True, width=80, rows=3).plain.splitlines()
    assert [line[12:] for line in up[:3]] == ["●  ─  ─  ─", "         ●", "   ●      "]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_job_that_ends_without_a_value_is_told_at_once(terminal: bool) -> None:
    shown = io.StringIO()
    tuning = {
        "HyperParameterTuningJobName": "a",
        "CreationTime": datetime.now(UTC) - timedelta(hours=3, seconds=5),
        "HyperParameterTuningJobConfig": {
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "los"}, "ResourceLimits": {},
        },
        "TrainingJobStatusCounters": dict.fromkeys(
            ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 1
        ),
    }  # fmt: skip
    jobs = [{"TrainingJobName": f"a-{number}", "TrainingJobStatus": "Completed"} for number in (1, 2)]
    jobs.insert(0, {"TrainingJobName": "a-0", "TrainingJobStatus": "Stopped"})
    with view_for(Console(file=shown, force_terminal=terminal, width=90, no_color=True)) as view:
        view.show(tuning, jobs)
    said = shown.getvalue()
    assert ("3:00:0" in said) == terminal  # since it was created, not since it is watched
    assert ("a-1 ended and printed no value of los: see pegbox logs a-1" if terminal else "no value of los\n") in said
    assert said.count("no value of los") == (said.count("a-1 ended") if terminal else 2)
    assert terminal or "a-0  Stopped\n" in said  # which is not the program's doing
