"""What a warm started tuning job learns from its parents' training jobs.

Parents have ended, so they are read once.  What is needed is not they themselves but their training jobs, which outlive
them; of training jobs that were deleted the search knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.domain.parents import Remembered, is_identical, remembered
from pegbox.domain.progress import Outline, Outliner
from pegbox.domain.searches import searches_of
from pegbox.domain.training import Outcome, TrainingJob
from pegbox.store.base import Transaction
from pegbox.store.resources import Child
from pegbox.strategies.base import ParentKind, ParentStudy, Trial, TrialState


def parent_studies(document: Mapping[str, Any], tx: Transaction) -> tuple[ParentStudy, ...]:
    """The parents' own training jobs with a result, not those of their parents."""
    kind = ParentKind.IDENTICAL if is_identical(document) else ParentKind.TRANSFER
    metric = searches_of(document)[0].metric  # that of the parents, too
    return tuple(
        ParentStudy(kind=kind, space=parent.space, static=parent.static, trials=_trials(parent, metric, tx))
        for parent in remembered(document)
    )


def _trials(parent: Remembered, metric: str, tx: Transaction) -> tuple[Trial, ...]:
    children = [child for child in tx.children(parent.id) if child.objective is not None]
    gone = tx.deleted.among([child.id for child in children]) if children else ()
    children = [child for child in children if child.id not in gone]
    states = tx.states([child.id for child in children]) if children else {}
    jobs = {identity: TrainingJob.parse(state) for identity, state in states.items()}
    short = {child.id for child in children if jobs[child.id].cut_short}
    # curves say where those would have ended: of whoever was stopped, and of those by whom that is guessed
    curves = {child.id: _outline(child, metric, tx) for child in children if short}
    return tuple(
        Trial(
            number=child.number,
            values=jobs[child.id].tuned or {},
            state=TrialState.FINISHED if child.outcome == Outcome.COMPLETED else TrialState.STOPPED,
            objective=child.objective,
            curve=curves.get(child.id, ()),
            cut_short=child.id in short,
        )
        for child in children
    )


def _outline(child: Child, metric: str, tx: Transaction) -> Outline:
    """Of the last attempt's values."""
    outliner, last = Outliner(), 0
    for attempt, _, value in tx.curve(child.id, metric):
        if attempt > last:
            outliner, last = Outliner(), attempt
        outliner.add([value])
    return outliner.outline()
