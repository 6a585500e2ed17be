"""A tuning job as a file asks for it, whatever its form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of this machine, to be registered as an image."""

    command: Sequence[str]
    arguments: Sequence[str] = ()
    workdir: str
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None
    binds: Sequence[str] = ()

    def image_name(self, stem: str) -> str:
        """A name that no other program has: a search goes on with the program that it began with."""
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{stem}-{digest[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be created; what is left out is filled in for the server that is to do it."""

    request: Mapping[str, Any]  #: CreateHyperParameterTuningJob
    program: Program | None = None  #: which the request's image is to run
    parameters: Mapping[str, str] = field(default_factory=dict)  #: name -> what it may be, for people
    doubts: Sequence[str] = ()  #: what may not be meant as it is written
