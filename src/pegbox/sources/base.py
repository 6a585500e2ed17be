"""What sources have in common: runs, and the study that they belong to."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MOST_TUNING_NAME = 32  #: characters (API reference, HyperParameterTuningJobName)
_DIGEST = 8  #: hexadecimal digits that tell studies apart that have one name


class SourceError(Exception):
    """A source cannot be read; the message says why, and names no password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What a study was after."""

    metric: str
    maximize: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One trial or run that has ended, as a training job will tell it."""

    name: str  #: of the training job
    status: str  #: Completed, Stopped or Failed
    parameters: Mapping[str, str]
    metrics: Mapping[str, tuple[float, float | None]]  #: final value, epoch seconds
    tags: Mapping[str, str]
    started: float  #: epoch seconds
    ended: float
    failure: str | None = None
    model: str | None = None  #: URI of what it has saved


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Runs that belong together.  With an objective they become a tuning job's."""

    source: str  #: optuna or mlflow
    name: str  #: of the tuning job
    title: str  #: what the source calls it
    tags: Mapping[str, str]
    runs: Sequence[Run]
    objective: Objective | None = None
    strategy: str = "Random"
    ranges: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)  #: ParameterRanges
    static: Mapping[str, str] = field(default_factory=dict)
    unfinished: int = 0  #: runs that are left for the next time
    notes: Sequence[str] = ()  #: what is not as the source has it


def study_name(title: str, identity: str) -> str:
    """A valid name of a tuning job: the same for the same study, another one for another study of the same title."""
    return f"{plain(title, MOST_TUNING_NAME - _DIGEST - 1) or 'study'}-{digest(identity, _DIGEST)}"


def plain(text: str, most: int) -> str:
    """As much of a text as can stand in a name; perhaps nothing."""
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-zA-Z0-9]+", "-", letters).strip("-")[:most].strip("-")


def digest(identity: str, digits: int) -> str:
    """Hexadecimal digits."""
    return hashlib.sha256(identity.encode()).hexdigest()[:digits]
