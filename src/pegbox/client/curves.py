"""The curves of training jobs: every published value of their objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.progress import Outline, Outliner

_AT_ONCE = 100  #: queries of BatchGetMetrics


def outlines(metrics: Any, jobs: Sequence[Mapping[str, Any]], metric: str) -> Mapping[str, Outline]:
    """By the name of the training job; `jobs`: their summaries, `metrics`: a client of sagemaker-metrics."""
    found: dict[str, Outline] = {}
    for begin in range(0, len(jobs), _AT_ONCE):
        some = jobs[begin : begin + _AT_ONCE]
        queries = [_query(job["TrainingJobArn"], metric) for job in some]
        results = metrics.batch_get_metrics(MetricQueries=queries)["MetricQueryResults"]
        for job, result in zip(some, results, strict=True):
            outliner = Outliner()
            outliner.add(result["MetricValues"])
            found[job["TrainingJobName"]] = outliner.outline()
    return found


def _query(arn: str, metric: str) -> Mapping[str, str]:
    steps = {"Period": "IterationNumber", "XAxisType": "IterationNumber"}
    return {"MetricName": metric, "ResourceArn": arn, "MetricStat": "Last", **steps}
