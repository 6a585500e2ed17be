from __future__ import annotations

from pegbox.domain.ranges import Categorical, Continuous, Integer, Space
from pegbox.strategies.tried import Tried

FINITE = Space((Integer("n", 1, 3), Categorical("c", ("a", "b"))))
OPEN = Space((Continuous("x", 0.0, 1.0),))


def test_a_finite_space_knows_a_configuration_however_it_is_written() -> None:
    tried = Tried(FINITE, [{"n": "02", "c": "a"}])
    assert {"n": "2", "c": "a"} in tried
    assert {"n": "2", "c": "b"} not in tried


def test_free_goes_round_the_end() -> None:
    tried = Tried(FINITE, [{"n": "3", "c": "b"}, {"n": "1", "c": "a"}])
    assert list(tried.free(4)) == [4, 1, 2, 3]


def test_exhausted_counts_distinct_members_only() -> None:
    tried = Tried(FINITE, [FINITE.configuration(index) for index in range(5)])
    for values in ({"n": "9", "c": "a"}, {"n": "1", "c": "z"}, {"n": "1"}, {"n": "1", "c": "a"}):
        tried.add(values)
    assert not tried.exhausted
    tried.add(FINITE.configuration(5))
    assert tried.exhausted


def test_an_open_space_is_never_exhausted() -> None:
    tried = Tried(OPEN, [{"x": "0.5"}, {"y": "1"}])
    assert {"x": "0.5"} in tried
    assert {"x": "0.25"} not in tried
    assert not tried.exhausted
