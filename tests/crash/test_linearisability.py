"""What concurrent clients are told fits together as if one had been served after the other."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from histories.bucket_clients import MIXTURES, bucket_calls, model_of
from histories.job_clients import MODELS, jobs_of
from histories.recording import Door
from pegbox.testing.linearisability import UNANSWERED, Call, Model, check


def new_seed() -> str:
    return secrets.token_hex(3)


def assert_linearisable(model: Model, calls: Sequence[Call], seed: str) -> None:
    violation = check(model, calls)
    assert violation is None, f"seed {seed}: {violation}"


@pytest.mark.parametrize("kind", ["training", "tuning"])
def test_jobs_are_created_and_stopped_one_after_the_other(doors: list[Door], kind: str) -> None:
    for _ in range(2):
        seed = new_seed()
        calls = jobs_of(doors, kind, seed)
        assert_linearisable(MODELS[kind], calls, seed)
        assert UNANSWERED not in [call.answer for call in calls]


@pytest.mark.parametrize("doors", ["sqlite"], indirect=True)
@pytest.mark.parametrize("kind", MIXTURES)
def test_objects_are_written_and_removed_one_after_the_other(doors: list[Door], kind: str) -> None:
    for _ in range(2):
        seed = new_seed()
        calls = bucket_calls(doors, kind, seed)
        assert_linearisable(model_of(kind), calls, seed)
        assert UNANSWERED not in [call.answer for call in calls]


def test_a_call_that_a_death_left_unanswered_happened_or_not(doors: list[Door]) -> None:
    """Both servers serve all kinds at once; one of them is killed in the middle and comes back."""
    seed = new_seed()
    dying = threading.Timer(0.5, doors[1].kill)
    dying.start()
    with ThreadPoolExecutor(4) as crowds:
        jobs = {kind: crowds.submit(jobs_of, doors, kind, seed, clients=3, calls=20) for kind in MODELS}
        buckets = {
            kind: crowds.submit(bucket_calls, doors, kind, seed, clients=3, calls=30) for kind in ("objects", "uploads")
        }
    dying.join()
    for kind, calls in jobs.items():
        assert_linearisable(MODELS[kind], calls.result(), seed)
    for kind, calls in buckets.items():
        assert_linearisable(model_of(kind), calls.result(), seed)
