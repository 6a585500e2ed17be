"""The boosting loop: rounds, evaluation, early stopping, checkpoints, termination."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pegbox.algorithms.xgboost import distributed, evaluation, metrics
from pegbox.algorithms.xgboost.checkpoints import Checkpoints
from pegbox.algorithms.xgboost.evaluation import Evaluation, Score
from pegbox.algorithms.xgboost.library import xgboost
from pegbox.algorithms.xgboost.settings import Settings

Datasets = Sequence[tuple[xgboost.DMatrix, str]]  #: training data first; early stopping looks at the last


@dataclass(slots=True)
class EarlyStopping:
    """Stop when the last metric on the last dataset has not become better for `patience` rounds."""

    patience: int
    best: int = 0  #: round with the best value
    value: float | None = field(default=None)

    def over(self, iteration: int, scores: Sequence[Score]) -> bool:
        """Take the scores of a round; whether it was one too many."""
        score = scores[-1]
        maximized = score.metric.partition("@")[0] in metrics.MAXIMIZED
        if self.value is None or (score.value > self.value if maximized else score.value < self.value):
            self.best, self.value = iteration, score.value
        return iteration - self.best >= self.patience


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A trained model and how it scored in its last round."""

    booster: xgboost.Booster
    scores: Sequence[Score]
    rounds: int  #: trees of how many rounds the model has; 0 when it was stopped before the first


def boost(
    settings: Settings,
    datasets: Datasets,
    *,
    nthread: int,
    say: Callable[[str], None],
    terminated: Callable[[], bool] = lambda: False,
    checkpoints: Checkpoints | None = None,
) -> Outcome:
    """Train on the first dataset and evaluate all after each round.

    `say` gets the evaluation line of each round.  `terminated` is asked after each round, when the settings promise a
    model after termination.  With `checkpoints`, training resumes from the newest and leaves new ones.
    """
    booster = _new(settings, [matrix for matrix, _ in datasets], nthread, checkpoints)
    evaluate = Evaluation(settings, datasets)
    stopping = EarlyStopping(settings.early_stopping_rounds) if settings.early_stopping_rounds else None
    done = booster.num_boosted_rounds()
    scores: Sequence[Score] = []
    if done >= settings.num_round:  # resumed after its last round: report how it ended
        scores = evaluate(booster, done - 1)
        say(evaluation.line(done - 1, scores))
    for iteration in range(done, settings.num_round):
        if settings.save_model_on_termination and distributed.anywhere(terminated()):
            break
        booster.update(datasets[0][0], iteration)
        scores = evaluate(booster, iteration)
        say(evaluation.line(iteration, scores))
        done = iteration + 1
        if checkpoints is not None:
            checkpoints.save(booster, iteration)
        if stopping is not None and stopping.over(iteration, scores):
            break
    if stopping is not None and stopping.value is not None and settings.booster.get("booster") != "gblinear":
        booster, done = booster[: stopping.best + 1], stopping.best + 1
    return Outcome(booster=booster, scores=scores, rounds=done)


def _new(
    settings: Settings, matrices: list[xgboost.DMatrix], nthread: int, checkpoints: Checkpoints | None
) -> xgboost.Booster:
    native = list(settings.native_metrics)
    parameters = {"nthread": nthread, **settings.booster, **({"eval_metric": native} if native else {})}
    resumed = distributed.from_leader(checkpoints.latest()) if checkpoints is not None else b""
    return xgboost.Booster(parameters, cache=matrices, model_file=bytearray(resumed) if resumed else None)
