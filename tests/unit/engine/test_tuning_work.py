"""How long a tuning job can wait."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

import rows
from pegbox.domain import training
from pegbox.domain.tuning import TuningJob
from pegbox.engine.context import Context
from pegbox.engine.tuning import LOOK, TuningWork

DOCUMENT = {
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
    },
    "TrainingJobDefinition": {"StaticHyperParameters": {}},
}


def waiting(context: Context, job: TuningJob, child: training.TrainingJob) -> float | None:
    """Seconds for which a tuning job waits that has one training job."""
    now = context.clock()
    dated = {"created_at": now, "modified_at": now}
    parent = rows.insert(context, DOCUMENT, job, "search", **dated)
    rows.insert(context, DOCUMENT, child, "child", **dated, parent_id=parent.id, number=1, due_at=None)
    (claimed,) = context.store.claim("me", context.host, 60, 1, [parent.id], slots=0)
    return TuningWork(context, claimed).run()


@pytest.mark.parametrize(
    ("passed", "stopping", "least", "most"),
    [(10.0, False, 45.0, 50.0), (3600.0, True, LOOK, LOOK)],
    ids=["until its time is up", "for what is stopping, however late it is"],
)
def test_a_search_waits(context: Context, passed: float, stopping: bool, least: float, most: float) -> None:
    now = time.time()
    job = TuningJob(most=1, at_once=1, seconds=60, created=now - passed, seed=1)
    child = training.created(now)
    if stopping:
        child = training.ask_to_stop(replace(child, phase=training.Phase.RUNNING), training.StopReason.TUNING, now)
    seconds = waiting(context, job, child)
    assert seconds is not None
    assert least <= seconds <= most
