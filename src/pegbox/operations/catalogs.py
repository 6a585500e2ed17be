"""Which properties of which resources can be searched."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pegbox.domain.properties import Catalog, Type
from pegbox.store.base import Kind
from pegbox.wire.records import paths

#: what Search calls the resources that there are
KINDS = {
    "TrainingJob": Kind.TRAINING_JOB,
    "HyperParameterTuningJob": Kind.TUNING_JOB,
    "Experiment": Kind.EXPERIMENT,
}
ANCHOR = "CreationTime"  #: every resource has it

_TYPES = {
    "string": Type.TEXT,
    "boolean": Type.BOOLEAN,
    "timestamp": Type.TIME,
    **dict.fromkeys(("integer", "long", "float", "double"), Type.NUMBER),
}
#: lists that say little, and would make up most of the index
_LEFT_OUT = (
    "MetricDefinitions", "SecondaryStatusTransitions", "FinalMetricDataList", "Tags", "CollectionConfigurations",
    "DebugRuleConfigurations", "DebugRuleEvaluationStatuses",
)  # fmt: skip
#: maps whose values are text or numbers
_EITHER = ("HyperParameters", "StaticHyperParameters", "TunedHyperParameters")


@dataclass(frozen=True, slots=True)
class Searched:
    """A kind of resource as Search knows it."""

    catalog: Catalog
    several: frozenset[str]  #: beginnings of names that one resource may have several values of


@lru_cache
def searched(resource: str) -> Searched:
    """The properties of a resource of `KINDS`."""
    types: dict[str, Type] = {}
    maps = {"Tags": Type.TEXT}
    lists: set[str] = set()
    several: set[str] = set()
    for path, kind in paths(resource):
        if any(segment in _LEFT_OUT for segment in path.split(".")):
            continue
        if kind == "map":
            maps[path] = Type.EITHER if path.rpartition(".")[2] in _EITHER else Type.TEXT
        elif kind == "list":
            lists.add(path)
        else:
            types[path] = Type.TEXT if kind == "strings" else _TYPES[kind]
        if kind in ("list", "strings"):
            several.add(path)
    if resource == "TrainingJob":
        maps["Metrics"] = Type.NUMBER
    return Searched(Catalog(types, maps, frozenset(lists)), frozenset(several))
