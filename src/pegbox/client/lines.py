"""The lines of which reports for people are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from pegbox.domain.metrics import OBJECTIVE_PARAMETER

Lines = Iterator[str]
MARGIN = 12  #: columns of the words before values


def told(word: str, value: str) -> str:
    """A value after the word for it."""
    return f"{word:<{MARGIN}}{value}".rstrip()


def several(word: str, values: Mapping[str, str]) -> Lines:
    """Names with values, aligned."""
    width = max(map(len, values), default=0)
    for place, (name, value) in enumerate(sorted(values.items())):
        yield told("" if place else word, f"{name:<{width}}  {value}")


def own(hyperparameters: Mapping[str, str]) -> dict[str, str]:
    """Hyperparameters without that of the service."""
    return {name: value for name, value in hyperparameters.items() if name != OBJECTIVE_PARAMETER}


def one_line(text: str | None) -> str:
    """A text without breaks."""
    return " ".join((text or "").split())


def moment(at: datetime) -> str:
    """A time where the reader is."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def since(begin: datetime, end: datetime | None) -> str:
    """How long something took, or has taken so far."""
    return duration(max((end or datetime.now(UTC)) - begin, timedelta()))


def duration(length: timedelta) -> str:
    """`4s`, `3m 05s`, `2h 03m`, `5d 04h`."""
    seconds = round(length.total_seconds())
    for limit, large, small, words in ((3600, 60, 1, "ms"), (86400, 3600, 60, "hm"), (None, 86400, 3600, "dh")):
        if seconds < 60:
            return f"{seconds}s"
        if limit is None or seconds < limit:
            return f"{seconds // large}{words[0]} {seconds % large // small:02}{words[1]}"
    raise AssertionError("the last has no limit")
