"""Which names to offer to somebody who has typed a part of one.  (API reference, GetSearchSuggestions.)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nsmallest

from pegbox.domain.properties import Catalog

MOST = 10
OWN = ("HyperParameters", "Parameters", "Metrics", "Tags")  #: what users name themselves


def suggestions(hint: str | None, catalog: Catalog, known: Sequence[tuple[str, int]]) -> list[str]:
    """Up to ten names with the hint in them, in whatever case: first those of which it begins a segment.

    `known` names what there is, with counts.  Without a hint, the most frequent of what users name.
    """
    if not hint:
        own = [(name, count) for name, count in known if name.split(".")[0] in OWN]
        return [name for name, _ in nsmallest(MOST, own or known, key=lambda each: (-each[1], each[0]))]
    counts = dict.fromkeys(catalog.types, 0) | dict(known)
    wanted = hint.lower()
    fitting = ((_rank(name.lower(), wanted), -counts[name], name) for name in _containing(wanted, counts))
    return [name for _, _, name in nsmallest(MOST, fitting)]


def _containing(wanted: str, names: Iterable[str]) -> Iterable[str]:
    return (name for name in names if wanted in name.lower())


def _rank(name: str, wanted: str) -> int:
    """0: it begins the name or a segment of it."""
    return 0 if name.startswith(wanted) or f".{wanted}" in name else 1
