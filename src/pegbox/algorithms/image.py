"""Names of training images: `[<host>/]<path>/<repository>[:<tag>][@<digest>]`, or `builtin://<repository>`."""

from __future__ import annotations

from dataclasses import dataclass

BUILTIN = "builtin://"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The parts of an image name that say which program is meant."""

    repository: str  #: last part of the path, lower case: sagemaker-xgboost
    tag: str = ""  #: 1.7-1
    host: str = ""  #: registry: 683313688378.dkr.ecr.us-east-1.amazonaws.com
    builtin: bool = False  #: the name began with builtin://


def parse(text: str) -> Image:
    """Take an image name apart.  Never fails: what is no image name has a repository that nothing knows."""
    builtin = text.startswith(BUILTIN)
    path = text.removeprefix(BUILTIN).split("@", 1)[0]
    *parents, last = path.split("/")
    repository, _, tag = last.partition(":")
    return Image(repository=repository.lower(), tag=tag, host=_host(parents), builtin=builtin)


def _host(parents: list[str]) -> str:
    """The registry: the first part when it looks like a host (Docker's own rule), else there is none."""
    first = parents[0] if parents else ""
    return first if "." in first or ":" in first or first == "localhost" else ""
