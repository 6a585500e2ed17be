"""Counts that are dear are made seldom."""

from __future__ import annotations

from pegbox.observe.prometheus import SHARE, Kept, Living, Metrics, Sources, Stored


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_slow_count_takes_a_hundredth_of_the_time() -> None:
    clock, counted = Clock(), []

    def count() -> int:
        clock.now += 2.0
        counted.append(clock.now)
        return len(counted)

    kept = Kept(count, clock)
    assert [kept.get(), kept.get()] == [1, 1]
    clock.now = 2.0 + 2.0 * SHARE - 0.1
    assert kept.get() == 1
    clock.now = 2.0 + 2.0 * SHARE
    assert kept.get() == 2


def test_a_dead_database_leaves_the_rest_of_the_page() -> None:
    def dead() -> Living:
        raise OSError("gone")

    metrics = Metrics("1.2.3")
    metrics.watch(
        Sources(
            living=dead,
            ended=dict,
            stored=lambda: Stored(objects=7, size=0, buckets=0, uploads=0),
            slots=2,
            statuses={"training-job": ("Completed",)},
            strategies=("Bayesian",),
            trouble=(OSError,),
        )
    )
    page = metrics.render().decode()
    assert "pegbox_database_up 0.0" in page
    assert "pegbox_objects 7.0" in page
    for fault in (
        "pegbox_request_faults_total 0.0",
        'pegbox_engine_work_total{kind="training-job",result="fault"} 0.0',
        'pegbox_proposer_fallbacks_total{strategy="Bayesian"} 0.0',
    ):
        assert fault in page  # a rate sees no first value
    assert 'pegbox_build_info{python="' in page
    assert "pegbox_jobs{" not in page
