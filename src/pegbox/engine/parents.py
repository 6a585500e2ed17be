"""What a warm started tuning job learns from its parents' training jobs.

Parents have ended, so they are read once.  What is needed is not they themselves but their training jobs, which outlive
them; of training jobs that were deleted the search knows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.domain.parents import Remembered, is_identical, remembered
from pegbox.domain.training import Outcome, TrainingJob
from pegbox.store.base import Transaction
from pegbox.strategies.base import ParentKind, ParentStudy, Trial, TrialState


def parent_studies(document: Mapping[str, Any], tx: Transaction) -> tuple[ParentStudy, ...]:
    """The parents' own training jobs with a result, not those of their parents."""
    kind = ParentKind.IDENTICAL if is_identical(document) else ParentKind.TRANSFER
    return tuple(
        ParentStudy(kind=kind, space=parent.space, static=parent.static, trials=_trials(parent, tx))
        for parent in remembered(document)
    )


def _trials(parent: Remembered, tx: Transaction) -> tuple[Trial, ...]:
    children = [child for child in tx.children(parent.id) if child.objective is not None]
    gone = tx.deleted.among([child.id for child in children]) if children else ()
    children = [child for child in children if child.id not in gone]
    states = tx.states([child.id for child in children]) if children else {}
    return tuple(
        Trial(
            number=child.number,
            values=TrainingJob.parse(states[child.id]).tuned or {},
            state=TrialState.FINISHED if child.outcome == Outcome.COMPLETED else TrialState.STOPPED,
            objective=child.objective,
        )
        for child in children
    )
