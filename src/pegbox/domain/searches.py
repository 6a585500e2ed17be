"""What a tuning job searches: its training job definitions, each with its own ranges and objective.

A tuning job has one TrainingJobDefinition, whose ranges and objective stand in HyperParameterTuningJobConfig, or up to
ten TrainingJobDefinitions, each with its own.  (API reference, HyperParameterTrainingJobDefinition.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pegbox.errors import ValidationException

DEFINITION_NAME = "training-job-definition"  #: what the SDK shows for a single, unnamed definition


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One definition and what is to be found in it."""

    name: str  #: TrainingJobDefinitionName
    definition: Mapping[str, Any]  #: HyperParameterTrainingJobDefinition
    ranges: Mapping[str, Any]  #: ParameterRanges
    objective: Mapping[str, str] | None  #: Type, MetricName; None in a request that lacks it

    @property
    def static(self) -> Mapping[str, str]:
        """StaticHyperParameters."""
        found: Mapping[str, str] = self.definition.get("StaticHyperParameters") or {}
        return found

    @property
    def metric(self) -> str:
        """The objective's MetricName."""
        return self.objective["MetricName"] if self.objective else ""

    @property
    def maximize(self) -> bool:
        """Whether the objective is to become great."""
        return self.objective is not None and self.objective["Type"] == "Maximize"


def searches_of(document: Mapping[str, Any]) -> Sequence[Search]:
    """The searches of a CreateHyperParameterTuningJob request, or of what became of it, in their order."""
    config = document["HyperParameterTuningJobConfig"]
    if several := document.get("TrainingJobDefinitions"):
        return [
            Search(
                name=definition.get("DefinitionName") or "",
                definition=definition,
                ranges=definition.get("HyperParameterRanges") or {},
                objective=definition.get("TuningObjective"),
            )
            for definition in several
        ]
    definition = document["TrainingJobDefinition"]
    return [
        Search(
            name=definition.get("DefinitionName") or DEFINITION_NAME,
            definition=definition,
            ranges=config.get("ParameterRanges") or {},
            objective=config.get("HyperParameterTuningJobObjective"),
        )
    ]


@contextmanager
def naming(search: Search, searches: Sequence[Search]) -> Iterator[None]:
    """What is refused of one among several is told with its name."""
    try:
        yield
    except ValidationException as error:
        if len(searches) == 1:
            raise
        raise ValidationException(f"The training job definition [{search.name}]: {error.message}") from None
