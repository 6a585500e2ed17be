from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from pegbox.domain.ranges import Continuous, Scaling, Space
from pegbox.strategies.base import Goal, Trial, TrialState
from pegbox.strategies.gp.layout import Layout
from pegbox.strategies.gp.observations import Observations
from pegbox.testing.strategy_suite import finished, study_of

SPACE = Space((Continuous("x", 0.0, 10.0, Scaling.LINEAR), Continuous("constant", 1.0, 1.0)))


def at(number: int, state: TrialState, objective: float | None) -> Trial:
    values = {"x": str(float(number)), "constant": "1.0"}
    return replace(finished(number, values, objective), state=state)


TRIALS = (
    at(7, TrialState.STOPPED, None),
    at(2, TrialState.FAILED, None),
    at(1, TrialState.FINISHED, 3.0),
    at(3, TrialState.STOPPED, 5.0),
    at(4, TrialState.RUNNING, None),
    at(5, TrialState.FINISHED, math.nan),
    at(6, TrialState.FINISHED, None),
    finished(8, {"x": "no number", "constant": "1.0"}, 1.0),
    at(9, TrialState.FAILED, 1.0),
)


def test_what_counts_as_what() -> None:
    seen = Observations.of(study_of(SPACE, TRIALS), Layout(SPACE))
    assert np.allclose(seen.points[:, 0], [0.1, 0.2, 0.3, 0.5, 0.6, 0.9])
    assert np.array_equal(seen.values, [3.0, math.nan, 5.0, math.nan, math.nan, math.nan], equal_nan=True)
    assert seen.failed.tolist() == [False, True, False, True, True, True]
    assert np.allclose(seen.pending, [[0.4]])


def test_maximised_values_are_turned_round() -> None:
    study = replace(study_of(SPACE, TRIALS), goal=Goal.MAXIMIZE)
    assert Observations.of(study, Layout(SPACE)).values[0] == -3.0


def test_failures_are_worse_than_anything_seen() -> None:
    warped = Observations.of(study_of(SPACE, TRIALS), Layout(SPACE)).warped()
    assert warped[0] < warped[2] < warped[1] == warped[3] == warped[4] == warped[5]
    assert abs(warped.mean()) < 1e-12


def test_nothing_seen_has_the_right_shape() -> None:
    seen = Observations.of(study_of(SPACE), Layout(SPACE))
    assert seen.points.shape == seen.pending.shape == (0, 1)


def test_a_trial_that_was_stopped_early_counts_as_what_it_would_have_reached() -> None:
    def whole(number: int) -> Trial:
        return replace(at(number, TrialState.FINISHED, float(number)), curve=((1, number + 10.0), (2, float(number))))

    stopped = replace(at(5, TrialState.STOPPED, 13.0), curve=((1, 13.0),))
    for goal, sign in ((Goal.MINIMIZE, 1.0), (Goal.MAXIMIZE, -1.0)):
        study = replace(study_of(SPACE, [*map(whole, (1, 2, 3, 4)), stopped]), goal=goal)
        seen = Observations.of(study, Layout(SPACE))
        assert seen.values.tolist() == [sign, sign * 2.0, sign * 3.0, sign * 4.0, sign * (3.0 if sign > 0 else 13.0)]
        doubt = seen.doubt(seen.warped())
        assert np.array_equal(doubt > 0, [False, False, False, False, True])


def test_while_too_few_have_run_to_their_end_values_of_one_epoch_are_compared() -> None:
    """The farthest epoch that three have reached; what one of them had later is not compared with that."""

    def ended(number: int, state: TrialState, *curve: float) -> Trial:
        return replace(at(number, state, curve[-1]), curve=tuple(enumerate(curve, 1)))

    trials = [
        ended(1, TrialState.STOPPED, 11.0, 1.0),
        ended(2, TrialState.STOPPED, 12.0, 2.0),
        ended(3, TrialState.FINISHED, 13.0, 3.0, 0.0),
        ended(4, TrialState.STOPPED, 14.0, 4.0, 3.5),
        ended(5, TrialState.STOPPED, 12.5),
        replace(ended(6, TrialState.FAILED, 1.0, 1.0), objective=None),
    ]
    for told in (trials, trials[::-1], trials * 2):
        seen = Observations.of(study_of(SPACE, told), Layout(SPACE)).successes()
        assert seen.values.tolist() == [1.0, 2.0, 3.0, 4.0, 2.5]
        assert (seen.doubt(seen.warped()) > 0).tolist() == [False] * 4 + [True]


def test_where_no_epoch_is_common_last_values_must_do() -> None:
    stopped = [replace(at(number, TrialState.STOPPED, 1.0), curve=((number, 1.0),)) for number in (1, 2, 3, 4)]
    seen = Observations.of(study_of(SPACE, stopped), Layout(SPACE))
    assert seen.values.tolist() == [1.0] * 4
    assert (seen.doubt(seen.warped()) == 1.0).all()


def test_guesses_do_not_set_the_scale() -> None:
    """Many trials that are stopped at once say little; those that ran to their end are as far apart as before."""

    def whole(number: int) -> Trial:
        return replace(at(number, TrialState.FINISHED, float(number)), curve=((1, number + 10.0), (2, float(number))))

    stopped = [
        replace(
            finished(number, {"x": f"{number / 7}", "constant": "1.0"}, 12.5),
            state=TrialState.STOPPED,
            curve=((1, 12.5),),
        )
        for number in range(10, 40)
    ]
    sure = [*map(whole, (1, 2, 3, 4, 5))]
    seen = Observations.of(study_of(SPACE, [*sure, *stopped]), Layout(SPACE))
    alone = Observations.of(study_of(SPACE, sure), Layout(SPACE))
    assert seen.stopped.tolist() == [False] * 5 + [True] * 30
    assert np.allclose(seen.warped()[:5], alone.warped())
    assert seen.warped_with_unit()[1] == alone.warped_with_unit()[1]
    assert np.all(seen.warped()[5:] == seen.warped()[5])
    assert alone.warped()[1] < seen.warped()[5] < alone.warped()[2]


def test_an_identical_parents_stopped_trials_count_as_what_they_would_have_reached() -> None:
    """As the study's own do; where a parent tells no curve of one, nothing is known of its end."""

    def whole(number: int) -> Trial:
        return replace(at(number, TrialState.FINISHED, float(number)), curve=((1, number + 10.0), (2, float(number))))

    stopped = replace(at(5, TrialState.STOPPED, 13.5), curve=((1, 13.5),), cut_short=True)
    mute = replace(stopped, number=6, curve=())
    theirs = [*map(whole, (1, 2, 3, 4)), stopped, mute]
    for own, parents in (((), theirs), (theirs[:4], theirs[4:])):  # they are foretold by the study's own as well
        seen = Observations.of(study_of(SPACE, own), Layout(SPACE), parents)
        assert seen.inherited == len(parents)
        assert sorted(seen.values.tolist()) == [1.0, 2.0, 3.0, 3.5, 4.0, 13.5]
        doubt = dict(zip(seen.values.tolist(), seen.doubt(seen.warped()).tolist(), strict=True))
        assert 0.0 < doubt[3.5] < 1.0 == doubt[13.5] and doubt[4.0] == 0.0


def test_what_a_parent_stopped_says_nothing_of_coming_to_the_end() -> None:
    theirs = [replace(at(number, TrialState.STOPPED, 1.0), cut_short=True) for number in (1, 2)]
    own = [replace(at(3, TrialState.STOPPED, 1.0), cut_short=True), at(4, TrialState.FAILED, None)]
    seen = Observations.of(study_of(SPACE, own), Layout(SPACE), theirs)
    assert seen.stopped.tolist() == [True, True, True, False]
    assert seen.lost.tolist() == [False, False, True, True]
    assert (seen.results, len(seen.successes().values), len(seen.whole().values)) == (1, 3, 0)


def test_early_stopping_would_have_judged_an_identical_parents_trials() -> None:
    def whole(number: int) -> Trial:
        return replace(at(number, TrialState.FINISHED, float(number)), curve=((1, float(number)), (2, float(number))))

    theirs = [replace(at(number, TrialState.STOPPED, 9.0), curve=((1, value),)) for number, value in ((5, 0.5), (6, 9))]
    study = study_of(SPACE, [*map(whole, (1, 2, 3))])
    assert np.isnan(Observations.of(study, Layout(SPACE), theirs).margins).all()
    good, bad = Observations.of(replace(study, early_stopping=True), Layout(SPACE), theirs).margins[:2]
    assert good > 0 > bad


def test_a_trial_that_was_cut_short_without_a_curve_is_doubted() -> None:
    """One that came to a limit which is the same for all is not."""
    ended = [at(number, TrialState.FINISHED, float(number)) for number in (1, 2, 3)]
    limited, cut = at(4, TrialState.STOPPED, 4.0), replace(at(5, TrialState.STOPPED, 5.0), cut_short=True)
    seen = Observations.of(study_of(SPACE, [*ended, limited, cut]), Layout(SPACE))
    assert seen.values.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert seen.doubt(seen.warped()).tolist() == [0.0] * 4 + [1.0]
