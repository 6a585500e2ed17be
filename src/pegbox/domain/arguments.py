"""Words of a command line with hyperparameters in them.

`{name}` in a word stands for the value of a hyperparameter.  A whole word `{name?text}` stands for `text` if the value
is `true`, and for no word otherwise: a switch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

_PLACE = re.compile(r"\{([\w.:/@-]+)\}")
_SWITCH = re.compile(r"\{([\w.:/@-]+)\?([^{}]*)\}")


def names_in(word: str) -> list[str]:
    """The hyperparameters that a word speaks of."""
    found = _SWITCH.fullmatch(word)
    return [found[1]] if found else _PLACE.findall(word)


def fill(words: Iterable[str], hyperparameters: Mapping[str, str]) -> list[str]:
    """The words for these hyperparameters.  Raises KeyError with the name of one that is missing."""
    filled: list[str] = []
    for word in words:
        if switch := _SWITCH.fullmatch(word):
            filled += [switch[2]] if plain(hyperparameters[switch[1]]) == "true" else []
        else:
            filled.append(_PLACE.sub(lambda place: plain(hyperparameters[place[1]]), word))
    return filled


def plain(value: str) -> str:
    """The SDK sends hyperparameters of frameworks JSON-encoded; programs get them decoded."""
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value
