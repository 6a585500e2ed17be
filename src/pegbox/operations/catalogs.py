"""Which properties of which resources can be searched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pegbox.domain.properties import Catalog, Type
from pegbox.store.resources import Kind
from pegbox.wire.records import paths

#: what Search calls the resources that there are
KINDS = {
    "TrainingJob": Kind.TRAINING_JOB,
    "HyperParameterTuningJob": Kind.TUNING_JOB,
    "Experiment": Kind.EXPERIMENT,
    "ExperimentTrial": Kind.TRIAL,
    "ExperimentTrialComponent": Kind.TRIAL_COMPONENT,
    "Endpoint": Kind.ENDPOINT,
    "Model": Kind.MODEL,
}
#: what any number of filters may look inside of, even where others may do so once  (API reference, SearchExpression)
CONTAINS_FREELY = {
    "Experiment": ("DisplayName", "ExperimentName", "Tags"),
    "ExperimentTrial": ("DisplayName", "TrialName", "Tags"),
    "ExperimentTrialComponent": ("DisplayName", "TrialComponentName", "Tags", "InputArtifacts", "OutputArtifacts"),
}
ANCHOR = "CreationTime"  #: every resource has it
ORDER = "LastModifiedTime"  #: by which is sorted unless asked otherwise, where there is such a property

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
#: what is found elsewhere: in the training job, or by the trials of a component; a trial may have very many components
_FOUND_ELSEWHERE = {
    "ExperimentTrialComponent": ("SourceDetail.TrainingJob", "SourceDetail.ProcessingJob", "SourceDetail.TransformJob"),
    "ExperimentTrial": ("TrialComponentSummaries",),
}
#: maps whose values are text or numbers
_EITHER = ("HyperParameters", "StaticHyperParameters", "TunedHyperParameters", "Parameters")
STATISTICS = ("Max", "Min", "Last", "Count", "Avg", "StdDev")  #: of a metric of a trial component
ARTIFACT = ("Value", "MediaType")
#: maps, and a list that is searched as one, whose elements have members: how names of properties end
_ENDINGS = {
    "ExperimentTrialComponent": {"Metrics": STATISTICS, "InputArtifacts": ARTIFACT, "OutputArtifacts": ARTIFACT}
}


@dataclass(frozen=True, slots=True)
class Searched:
    """A kind of resource as Search knows it."""

    catalog: Catalog
    several: frozenset[str]  #: beginnings of names that one resource may have several values of
    anchor: str  #: a property that every resource of the kind has
    order: str  #: by which is sorted unless asked otherwise


@lru_cache
def searched(resource: str) -> Searched:
    """The properties of a resource of `KINDS`."""
    types: dict[str, Type] = {}
    maps = {"Tags": Type.TEXT}
    lists: set[str] = set()
    several: set[str] = set()
    endings, elsewhere = _ENDINGS.get(resource, {}), _FOUND_ELSEWHERE.get(resource, ())
    for path, kind in paths(resource):
        if any(segment in _LEFT_OUT for segment in path.split(".")) or _is_below(path, (*endings, *elsewhere)):
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
    maps |= {path: Type.NUMBER if path == "Metrics" else Type.TEXT for path in endings}
    ends = {path: {each.lower(): each for each in names} for path, names in endings.items()}
    implied = resource if any(path.startswith(f"{resource}.") for path in types) else ""
    catalog = Catalog(types, maps, frozenset(lists), implied, ends)
    anchor = catalog.find(ANCHOR)
    assert anchor is not None
    order = catalog.find(ORDER) or anchor
    return Searched(catalog, frozenset(several), anchor[0], order[0])


def _is_below(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(f"{root}.") for root in roots)
