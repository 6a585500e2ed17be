"""Steps of a clock, told from answers that are long in coming."""

from __future__ import annotations

import pytest

from pegbox.engine.clock import ClockWatch

EPOCH = 1_800_000_000.0


def test_a_first_reading_says_nothing() -> None:
    assert ClockWatch().step(5.0, 6.0, EPOCH) == 0.0


@pytest.mark.parametrize("seconds", [-3600.0, -300.0, -6.0, 6.0, 3600.0])
def test_a_step_is_measured(seconds: float) -> None:
    watch = ClockWatch()
    watch.step(0.0, 0.0, EPOCH)
    assert watch.step(20.0, 20.0, EPOCH + 20.0) == 0.0
    assert watch.step(40.0, 40.0, EPOCH + 40.0 + seconds) == pytest.approx(seconds)
    assert watch.step(60.0, 60.0, EPOCH + 60.0 + seconds) == pytest.approx(0.0)


def test_an_answer_that_took_long_is_no_step() -> None:
    """The clock is read when the database has got to it, early or late."""
    for late, early in ((0.0, 30.0), (30.0, 0.0)):
        watch = ClockWatch()
        watch.step(0.0, 30.0, EPOCH + late)
        assert watch.step(35.0, 65.0, EPOCH + 35.0 + early) == 0.0
    watch = ClockWatch()
    watch.step(0.0, 30.0, EPOCH)
    assert watch.step(35.0, 35.0, EPOCH + 335.0) == pytest.approx(300.0)
