"""What attempt.json says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pegbox.runner.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One attempt at one training job, as its runner sees it."""

    id: str
    directory: Path
    job_name: str
    job_arn: str
    region: str
    argv: tuple[str, ...]
    module: str | None  #: run instead of argv
    workdir: str | None
    image_environment: Mapping[str, str]
    hyperparameters: Mapping[str, str]
    environment: Mapping[str, str]  #: of the request
    channels: Mapping[str, Mapping[str, Any]]
    metrics: Sequence[Mapping[str, str]]
    instance_count: int
    instance_type: str
    checkpoint_path: str | None
    max_runtime: float | None
    grace: float
    inherited: Mapping[str, str]  #: what trainers may see of the server's environment
    wake: str | None  #: path of a unix datagram socket
    isolate: bool  #: without a cell, try a private /etc/hosts and /opt/ml
    contain: bool = False  #: run the program in a cell
    limits: Limits = field(default_factory=Limits)  #: of each instance
    network_isolation: bool = False  #: run nothing that could reach a network
    hidden: tuple[str, ...] = ()  #: folders and files of the server's that no program sees
    paths: tuple[str, ...] = ()  #: of the program: files and folders that it names
    binds: tuple[str, ...] = ()  #: PATH or PATH:ro, further places that it may see

    created: float | None = None  #: epoch seconds, of the training job
    most_log: int = 4 << 30  #: bytes of each instance's log
    most_points: int = 1_000_000  #: metric values of all instances

    @classmethod
    def parse(cls, directory: Path, record: Mapping[str, Any]) -> Job:
        """Read the record that the executor wrote."""
        program = record["program"]
        rest = {key: value for key, value in record.items() if key not in ("program", "limits")}
        return cls(
            directory=directory,
            argv=tuple(program["argv"]),
            module=program["module"],
            workdir=program["workdir"],
            image_environment=program["environment"],
            limits=Limits.parse(record.get("limits") or {}),
            paths=tuple(program.get("paths", ())),
            binds=tuple(program.get("binds", ())),
            **rest,
        )

    @property
    def hosts(self) -> list[str]:
        """algo-1 ... algo-N, in the order of their numbers."""
        return [f"algo-{number}" for number in range(1, self.instance_count + 1)]
