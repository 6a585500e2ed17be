"""filterPattern of FilterLogEvents, for unstructured logs.  (CloudWatch Logs user guide, "Filter and pattern syntax".)

Terms are separated by blanks and match as parts of a message, with regard to case.  All have to match; of those with
a question mark one has to; none of those with a minus may.  Quotes keep blanks and signs together, percent signs
enclose a regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import re2

from pegbox.regex import re2_options

Matches = Callable[[str], bool]

_TERM = re.compile(r'\s*(?P<mark>[?-]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]+)%|(?P<plain>[^\s"]+))')


class InvalidPattern(Exception):
    """The pattern cannot be read; the message says why."""


def compiled(pattern: str) -> Matches:
    """A function that says whether a message matches.  Raises InvalidPattern."""
    if pattern.lstrip()[:1] in ("{", "["):
        raise InvalidPattern(
            "patterns for JSON and for columns are not supported: give terms, or %a regular expression%"
        )
    groups: dict[str, list[Matches]] = {"": [], "?": [], "-": []}
    for mark, matches in _terms(pattern):
        groups[mark].append(matches)
    wanted, some, unwanted = groups[""], groups["?"], groups["-"]
    return lambda message: (
        all(matches(message) for matches in wanted)
        and (not some or any(matches(message) for matches in some))
        and not any(matches(message) for matches in unwanted)
    )


def _terms(pattern: str) -> Iterator[tuple[str, Matches]]:
    place, end = 0, len(pattern.rstrip())
    while place < end:
        found = _TERM.match(pattern, place)
        if found is None:
            raise InvalidPattern(f"it cannot be read from {pattern[place : place + 20]!r} on")
        place = found.end()
        yield found["mark"], _matches(found)


def _matches(term: re.Match[str]) -> Matches:
    if term["regex"] is not None:
        return _regex(term["regex"])
    text = term["plain"] if term["quoted"] is None else re.sub(r"\\(.)", r"\1", term["quoted"])
    return lambda message: text in message


def _regex(text: str) -> Matches:
    try:
        expression = re2.compile(text, options=re2_options())
    except re2.error as error:
        raise InvalidPattern(f"%{text}% is no regular expression: {error}") from None
    return lambda message: expression.search(message) is not None
