"""A training image, as it is registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a training image name means on a machine without containers."""

    name: str
    command: Sequence[str]
    workdir: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str | None = None  #: interpreter for script-mode images
    binds: Sequence[str] = ()  #: PATH or PATH:ro, further places that its programs may see
    arguments: Sequence[str] = ()  #: words after the command; `{name}` in them is the value of a hyperparameter
    created_at: float
