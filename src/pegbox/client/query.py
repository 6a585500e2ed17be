"""A search as people type it: `Metrics.validation:auc > 0.9 and (Tags.Project = x or HyperParameters.eta < 0.1)`.

    alternatives = conditions { "or" conditions }
    conditions   = condition { "and" condition }
    condition    = "(" alternatives ")" | name comparison | name "[" name comparison { "and" name comparison } "]"
    comparison   = ("=" | "!=" | "<" | "<=" | ">" | ">=" | "contains") value
                 | ["not"] "in" "(" value { "," value } ")" | ["not"] "exists"

Words go up to a blank or one of `()[],=!<>`; parts of them may be in quotes.  It becomes the API's SearchExpression.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

MOST = 20  #: elements of a list of a SearchExpression

COMPARISONS = {
    "=": "Equals",
    "==": "Equals",
    "!=": "NotEquals",
    "<>": "NotEquals",
    ">": "GreaterThan",
    ">=": "GreaterThanOrEqualTo",
    "<": "LessThan",
    "<=": "LessThanOrEqualTo",
}
WORDS = ("and", "or", "not", "in", "contains", "exists")

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>==|!=|<>|<=|>=|[=<>()\[\],])
           |(?P<word>(?:[^\s()\[\],=!<>"']|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+)
           |(?P<end>$))""",
    re.VERBOSE | re.DOTALL,
)
_PIECE = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^"']+)""", re.DOTALL)


class QueryFault(Exception):
    """The text cannot be understood, or not be carried out; the message points at the place."""

    def __init__(self, text: str, place: int, message: str) -> None:
        before, after = text[:place].rpartition("\n"), text[place:].partition("\n")
        column = len(before[2].expandtabs(1))
        super().__init__(f"{before[2].expandtabs(1)}{after[0].expandtabs(1)}\n{' ' * column}^ {message}")


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter, and where its name and its value are in the text."""

    name: str
    operator: str
    value: str | None
    name_at: int
    value_at: int

    def filters(self, root: str = "") -> dict[str, str]:
        """As the API has it; `root` is the list that is meant by a nested one."""
        name = f"{root}.{self.name}" if root and not self.name.lower().startswith(f"{root.lower()}.") else self.name
        given = {"Name": name, "Operator": self.operator}
        return given if self.value is None else {**given, "Value": self.value}


@dataclass(frozen=True, slots=True)
class Element:
    """Conditions that one element of a list has to meet."""

    name: str
    parts: tuple[Condition, ...]
    name_at: int


@dataclass(frozen=True, slots=True)
class Joined:
    """Several, of which all or any have to be met."""

    by: Literal["And", "Or"]
    parts: tuple[Node, ...]


Node = Condition | Element | Joined


def parse(text: str) -> Node | None:
    """What a text wants; None if it is blank.  Raises QueryFault."""
    return _Parser(text).everything() if text.strip() else None


def expression(node: Node) -> dict[str, Any]:
    """The SearchExpression."""
    by, parts = (node.by, node.parts) if isinstance(node, Joined) else ("And", (node,))
    filters = [part.filters() for part in parts if isinstance(part, Condition)]
    nested = [
        {"NestedPropertyName": part.name, "Filters": [each.filters(part.name) for each in part.parts]}
        for part in parts
        if isinstance(part, Element)
    ]
    below = [expression(part) for part in parts if isinstance(part, Joined)]
    return _of_few({"Filters": filters, "NestedFilters": nested, "SubExpressions": below}, by)


def _of_few(lists: Mapping[str, list[Any]], by: str) -> dict[str, Any]:
    """No list longer than may be: what is beyond goes into a subexpression."""
    lists = {name: found for name, found in lists.items() if found}
    rest = {name: found[MOST:] for name, found in lists.items() if len(found) > MOST}
    if rest:
        more = _of_few(rest, by)
        kept = {name: found[:MOST] for name, found in lists.items()}
        below = kept.get("SubExpressions", [])
        moved = below[MOST - 1 :]
        if moved:
            more = {**more, "SubExpressions": [*moved, *more.get("SubExpressions", [])]}
        lists = {**kept, "SubExpressions": [*below[: MOST - 1], more]}
    several = sum(map(len, lists.values())) > 1
    return {**lists, **({"Operator": by} if several else {})}


def conditions(node: Node | None) -> Iterator[Condition]:
    """All of them, in the order of the text; those of elements with their whole names."""
    match node:
        case Condition():
            yield node
        case Element(root, parts):
            for part in parts:
                name = part.filters(root)["Name"]
                yield Condition(name, part.operator, part.value, part.name_at, part.value_at)
        case Joined(_, parts):
            for each in parts:
                yield from conditions(each)


def elements(node: Node | None) -> Iterator[Element]:
    """The lists of which one element is meant."""
    match node:
        case Element():
            yield node
        case Joined(_, parts):
            for each in parts:
                yield from elements(each)


@dataclass(frozen=True, slots=True)
class _Token:
    sign: str  #: a sign, a word of the language, "word" for another one, "" at the end
    text: str
    at: int


class _Parser:
    """One token after the other, without going back."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = next(self._tokens)

    def everything(self) -> Node:
        found = self._alternatives()
        if self._next.sign == ")":
            self._refuse("no parenthesis is open here")
        if self._next.sign:
            self._refuse("and, or, or the end is expected here")
        return found

    def _alternatives(self) -> Node:
        return self._joined("or", "Or", lambda: self._joined("and", "And", self._condition))

    def _joined(self, word: str, by: Literal["And", "Or"], part: Any) -> Node:
        parts: list[Node] = [part()]
        while self._next.sign == word:
            self._take()
            parts.append(part())
        flat = [each for one in parts for each in (one.parts if isinstance(one, Joined) and one.by == by else (one,))]
        return flat[0] if len(flat) == 1 else Joined(by, tuple(flat))

    def _condition(self) -> Node:
        if self._next.sign == "(":
            opened = self._take()
            found = self._alternatives()
            self._expect(")", f"the parenthesis that is opened at character {opened.at + 1} is not closed here")
            return found
        if self._next.sign == "not":
            self._refuse("not stands behind a name: NAME not in (...), NAME not exists; for others use !=")
        name = self._word("the name of a property")
        return self._element(name) if self._next.sign == "[" else self._compared(name)

    def _element(self, root: _Token) -> Node:
        self._take()
        parts: list[Condition] = []
        while True:
            name = self._word("the name of a property of the element")
            found = self._compared(name)
            if isinstance(found, Joined):
                parts += [each for each in found.parts if isinstance(each, Condition)]
            else:
                parts.append(found)
            if self._next.sign == "or":
                self._refuse("conditions on one element can only be joined with and")
            if self._next.sign != "and":
                break
            self._take()
        self._expect("]", "and or ] is expected here")
        return Element(root.text, tuple(parts), root.at)

    def _compared(self, name: _Token) -> Condition | Joined:
        token = self._next
        if token.sign in COMPARISONS:
            self._take()
            return self._filter(name, COMPARISONS[token.sign], self._word(f"a value after {token.text}"))
        if token.sign == "contains":
            self._take()
            return self._filter(name, "Contains", self._word("a value after contains"))
        is_not = token.sign == "not"
        if is_not:
            self._take()
        if self._next.sign == "exists":
            self._take()
            return self._filter(name, "NotExists" if is_not else "Exists", None)
        if self._next.sign == "in":
            self._take()
            return self._among(name, is_not)
        self._refuse(
            "in or exists is expected after not"
            if is_not
            else "one of = != < <= > >= contains, in, not in, exists, not exists is expected here"
        )

    def _among(self, name: _Token, is_not: bool) -> Condition | Joined:
        self._expect("(", "the values of in stand in parentheses: in (a, b)")
        values = [self._word("a value")]
        while self._next.sign == ",":
            self._take()
            values.append(self._word("a value after the comma"))
        self._expect(")", "a comma or ) is expected here")
        if is_not:
            parts = tuple(self._filter(name, "NotEquals", value) for value in values)
            return parts[0] if len(parts) == 1 else Joined("And", parts)
        for value in values:
            if "," in value.text:
                raise QueryFault(self._text, value.at, "in cannot look for a text with a comma: use = and or")
        joined = _Token("word", ",".join(value.text for value in values), values[0].at)
        return self._filter(name, "In", joined)

    def _filter(self, name: _Token, operator: str, value: _Token | None) -> Condition:
        text = None if value is None else value.text
        return Condition(name.text, operator, text, name.at, name.at if value is None else value.at)

    def _word(self, what: str) -> _Token:
        if self._next.sign in WORDS:
            self._refuse(f"{what} is expected here; if it is called so, write it in quotes")
        if self._next.sign != "word":
            self._refuse(f"{what} is expected here")
        if not self._next.text:
            self._refuse(f"{what} cannot be empty")
        return self._take()

    def _expect(self, sign: str, message: str) -> None:
        if self._next.sign != sign:
            self._refuse(message)
        self._take()

    def _take(self) -> _Token:
        token, self._next = self._next, next(self._tokens, _Token("", "", len(self._text)))
        return token

    def _refuse(self, message: str) -> NoReturn:
        raise QueryFault(self._text, self._next.at, message)

    def _split(self) -> Iterator[_Token]:
        place = 0
        while True:
            found = _TOKEN.match(self._text, place)
            if found is None:
                self._unreadable(place)
            kind = str(found.lastgroup)
            at, text = found.start(kind), found[kind]
            place = found.end()
            if kind == "end":
                yield _Token("", "", len(self._text.rstrip()))
                return
            if kind == "sign":
                yield _Token(text, text, at)
            else:
                yield _Token(text.lower() if text.lower() in WORDS else "word", _unquoted(text), at)

    def _unreadable(self, place: int) -> NoReturn:
        rest = self._text[place:]
        at = place + len(rest) - len(rest.lstrip())
        while at < len(self._text) and self._text[at] not in "\"'!":  # a word that goes over into a quotation
            at += 1
        is_quote = self._text[at : at + 1] in ('"', "'")
        raise QueryFault(self._text, at, "this quotation has no end" if is_quote else "! stands only before =")


def _unquoted(text: str) -> str:
    pieces: Sequence[tuple[str, str, str]] = _PIECE.findall(text)
    return "".join(plain or re.sub(r"\\(.)", r"\1", double or single) for double, single, plain in pieces)
