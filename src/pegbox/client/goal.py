"""What is measured, and how much may be spent, as people write it.

minimize: loss                                                    printed as loss=0.5, loss: 0.5 or "loss": 0.5
metric: {name: loss, regex: 'loss is ([0-9.]+)', goal: minimize}  the same in words
budget: {jobs: 20, parallel: 2, time: 2h, job_time: 10m}          or budget: 20
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pegbox import regex
from pegbox.client.document import Node
from pegbox.client.faults import Fault, mapping, number, shown, text, whole

GOALS = {"minimize": "Minimize", "maximize": "Maximize", "min": "Minimize", "max": "Maximize"}
NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
#: what follows a number that is none, as in 1,234 or 1_000 or 3ms; in the group with it, so that the whole is no value
#: (RE2 cannot look ahead, and what it takes is lost for the next match in the line)
REST = r"(?:\w|[.,:-][0-9])*"
JOBS, PARALLEL = 20, 2
LEAST_TIME = 120  #: seconds, of a whole search
LEAST_PATIENCE = 3  #: training jobs
JOB_TIME = 24 * 3600
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*")


@dataclass(frozen=True, slots=True)
class Metric:
    """A value that the program prints."""

    name: str
    regex: str | None  #: None: by its name

    @property
    def expression(self) -> str:
        """What finds it in a line: the name as a word of its own, `=`, `:` or a blank, and a number."""
        return self.regex or rf"""(?:^|[^\w.:/-]){re.escape(self.name)}["']?(?:\s*[:=]\s*|\s+)({NUMBER}{REST})"""


@dataclass(frozen=True, slots=True)
class Goal:
    """The metric that counts."""

    metric: Metric
    direction: str  #: Minimize or Maximize


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be spent, and what is enough; times in seconds."""

    jobs: int | None = JOBS
    parallel: int = PARALLEL
    time: int | None = None
    job_time: int = JOB_TIME
    target: float | None = None  #: of the metric
    patience: int | None = None  #: training jobs without an improvement

    @property
    def criteria(self) -> dict[str, object]:
        """TuningJobCompletionCriteria."""
        found: dict[str, object] = {}
        if self.target is not None:
            found["TargetObjectiveMetricValue"] = self.target
        if self.patience is not None:
            found["BestObjectiveNotImproving"] = {"MaxNumberOfTrainingJobsNotImproving": self.patience}
        return found


def goal(root: Node, given: Mapping[str, Node]) -> Goal:
    """From `metric`, `minimize` or `maximize` of a file.  Raises Fault."""
    ways = [name for name in ("metric", "minimize", "maximize") if name in given]
    if len(ways) != 1:
        wrong = f"both {' and '.join(ways)} are here" if ways else "there is no metric"
        raise Fault(given[ways[1]] if ways else root, f"{wrong}: write minimize: NAME, or maximize: NAME")
    node = given[ways[0]]
    if ways[0] != "metric":
        return Goal(metric(node, node), GOALS[ways[0]])
    members = node.value if isinstance(node.value, dict) else {}
    if "goal" not in members:
        raise Fault(node, "which way is better? Write goal: minimize, or goal: maximize")
    direction = members["goal"]
    if str(direction.value).lower() not in GOALS:
        raise Fault(direction, f"{shown(direction)} is none of {', '.join(GOALS)}")
    return Goal(metric(node, node, "goal"), GOALS[str(direction.value).lower()])


def metric(node: Node, name: Node, *more: str) -> Metric:
    """A metric by its name, or in words.  Raises Fault."""
    if not isinstance(node.value, dict):
        return Metric(text(name), None)
    members = mapping(node, ("name", "regex", *more))
    if "name" not in members:
        raise Fault(node, "the metric has no name")
    return Metric(text(members["name"]), expression(members["regex"]) if "regex" in members else None)


def expression(node: Node) -> str:
    """A regular expression whose first group is the number.  Raises Fault."""
    written = text(node)
    try:
        regex.check(written)
    except regex.InvalidExpression as error:
        raise Fault(node, f"{written!r} cannot be used as a regular expression: {error}") from None
    return written


def budget(node: Node | None, *, is_grid: bool = False) -> Budget:
    """From `budget` of a file.  Raises Fault."""
    if node is None:
        return Budget(jobs=None) if is_grid else Budget()
    if not isinstance(node.value, dict):
        jobs = whole(node, 1)
        return Budget(jobs=jobs, parallel=min(PARALLEL, jobs))
    members = mapping(node, ("jobs", "parallel", "time", "job_time", "target", "patience"))
    jobs_or_all = whole(members["jobs"], 1) if "jobs" in members else None if is_grid else JOBS
    parallel = whole(members["parallel"], 1) if "parallel" in members else min(PARALLEL, jobs_or_all or PARALLEL)
    time = seconds(members["time"]) if "time" in members else None
    if time is not None and time < LEAST_TIME:
        raise Fault(members["time"], f"a search takes {LEAST_TIME} seconds or more; for a job write job_time")
    job_time = seconds(members["job_time"]) if "job_time" in members else JOB_TIME
    target = number(members["target"]) if "target" in members else None
    patience = whole(members["patience"], LEAST_PATIENCE) if "patience" in members else None
    return Budget(jobs=jobs_or_all, parallel=parallel, time=time, job_time=job_time, target=target, patience=patience)


def seconds(node: Node) -> int:
    """A time: 90, 90s, 30m, 2h, 1d.  Raises Fault."""
    found = _TIME.fullmatch(node.text)
    if found is None or (found[2] and found[2] not in _UNITS):
        raise Fault(node, f"{shown(node)} is no time: write seconds, or for example 90s, 30m, 2h, 1d")
    length = float(found[1]) * _UNITS[found[2] or "s"]
    if math.isinf(length) or round(length) < 1:
        raise Fault(node, f"{shown(node)} is too {'long' if length > 1 else 'short'}")
    return round(length)
