"""A crash before and after everything that a server or a runner keeps, one after the other, while jobs run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from installation import Installation, distinct
from postgres import Cluster, find_binaries

#: what must be among the places, so that a switch that does not work is no success
SEEN = (
    "before database commit in create_hyper_parameter_tuning_job",
    "after database commit in _go_on/_propose/_propose_for/_launch",
    "before database commit in _begin/_transact",
    "after attempt.json in _watch/_start",
    "before spawn.json in _watch/_start",
    "after runner.json",
    "before exit.json",
    "after content settled in _pack/store_model/_store/_put",
)


def representative(places: list[str]) -> list[str]:
    """One of all places with the same point and phase of a job.

    Before a commit all is as it was after the one before it.  `benchmarks/soak/crashpoints.py` leaves nothing out.
    """
    found: dict[object, str] = {}
    for place in places:
        when, _, rest = place.partition(" ")
        point, _, phase = rest.partition(" in ")
        if when == "after" or not point.endswith("commit"):
            found.setdefault(place if point == "database commit" else (when, point, phase.split("/")[0]), place)
    return list(found.values())


def chain(installation: Installation, places: list[str]) -> list[str]:
    """Crash at one place after the other; what went wrong."""
    found = [installation.crash_at(place) for place in places]
    return [fault for fault in found if fault] + installation.close()


def test_a_crash_at_a_place_of_each_kind(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    clusters: list[Cluster | None] = [None, None]
    if find_binaries() is not None:
        clusters[1] = request.getfixturevalue("postgres")
    both = [
        Installation(tmp_path / str(number), cluster, retries=30, running=1, pause=0.05)
        for number, cluster in enumerate(clusters)
    ]
    try:
        with ThreadPoolExecutor(2) as pool:
            places = distinct([place for found in pool.map(Installation.record, both) for place in found])
        assert not {place for place in SEEN if not any(seen.startswith(place) for seen in places)}
        with ThreadPoolExecutor(2) as pool:
            places = representative(places)
            shares = [places[0::2], places[1::2]]
            faults = list(pool.map(chain, both, shares))
        assert faults == [[], []]
        missed = [place for installation in both for place in installation.missed]  # some depend on what is quicker
        assert len(missed) <= len(places) / 10, missed
    finally:
        for installation in both:
            installation.server.kill()
            installation.store.close()
