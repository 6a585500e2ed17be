"""Walks from entity to entity, against all ways found one by one."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain import lineage
from pegbox.domain.lineage import Link, TooMany, Walk, artifact_name

#: associations lead to larger numbers, as causes come before effects
LINKS = st.sets(
    st.tuples(st.integers(0, 6), st.integers(0, 6)).map(sorted).map(tuple).filter(lambda ends: ends[0] < ends[1])
).map(lambda ends: [Link(source, destination, None) for source, destination in ends])


class Graph:
    def __init__(self, links: Collection[Link]) -> None:
        self.links = links

    def look(self, ids: Collection[int], down: bool, most: int) -> list[Link]:
        return [link for link in self.links if (link.source if down else link.destination) in ids][:most]


def ways(links: Collection[Link], start: int, down: bool, depth: int) -> Iterator[list[Link]]:
    """Every way from the start, at most so long."""
    for link in links:
        one, other = (link.source, link.destination) if down else (link.destination, link.source)
        if one == start and depth:
            yield [link]
            yield from ([link, *rest] for rest in ways(links, other, down, depth - 1))


def end(way: list[Link], down: bool) -> int:
    return way[-1].destination if down else way[-1].source


@given(links=LINKS, start=st.integers(0, 6), down=st.booleans(), depth=st.integers(1, 4))
def test_a_walk_comes_to_the_end_of_every_way(links: list[Link], start: int, down: bool, depth: int) -> None:
    walk = Walk(start, (down,))
    levels = list(walk.levels(Graph(links).look, depth))
    shortest: dict[int, int] = {}
    for way in ways(links, start, down, depth):
        shortest[end(way, down)] = min(len(way), shortest.get(end(way, down), 99))
    assert {each: number for number, level in enumerate(levels, 1) for each in level} == shortest
    assert set(walk.links) == {link for way in ways(links, start, down, depth) for link in way}


@given(
    links=LINKS, start=st.integers(0, 6), wanted=st.sets(st.integers(0, 6)), down=st.booleans(), depth=st.integers(1, 4)
)
def test_what_is_kept_lies_on_a_way_to_what_is_wanted(
    links: list[Link], start: int, wanted: set[int], down: bool, depth: int
) -> None:
    walk = Walk(start, (down,))
    reached = {each for level in walk.levels(Graph(links).look, depth) for each in level}
    walk.keep(reached & wanted, depth)
    kept = [way for way in ways(links, start, down, depth) if end(way, down) in wanted]
    assert set(walk.links) == {link for way in kept for link in way}
    passed = {each for way in kept for link in way for each in (link.source, link.destination)}
    assert set(walk.distances) | {start} == passed | {start}


def test_both_ways_the_direction_may_change() -> None:
    links = [Link(1, 2, None), Link(3, 2, None), Link(3, 4, None)]
    walk = Walk(1, (True, False))
    assert list(walk.levels(Graph(links).look, 10)) == [[2], [3], [4]]
    walk.keep([3], 10)
    assert (set(walk.distances), set(walk.links)) == ({1, 2, 3}, set(links[:2]))


def test_a_circle_is_walked_once() -> None:
    walk = Walk(1, (True,))
    links = [Link(1, 2, None), Link(2, 1, None)]
    assert list(walk.levels(Graph(links).look, 10)) == [[2]]
    walk.keep([2], 10)
    assert set(walk.distances) == {1, 2}


def test_a_walk_that_becomes_too_long_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "MOST_LINKS", 5)
    links = [Link(1, number, None) for number in range(2, 9)]
    with pytest.raises(TooMany):
        list(Walk(1, (True,)).levels(Graph(links).look, 10))


def test_an_artifact_is_named_by_its_source() -> None:
    types = [{"SourceIdType": "MD5Hash", "Value": "a"}, {"SourceIdType": "S3ETag", "Value": "b"}]
    names = [artifact_name("s3://a"), artifact_name("s3://b"), artifact_name("s3://a", types)]
    assert len(set(names)) == 3
    assert all(len(name) == 32 for name in names)
    assert artifact_name("s3://a", types[::-1]) == names[2]
