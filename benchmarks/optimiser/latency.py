"""How long an ask takes after many evaluations: a method is told of random ones, then asked and told some times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .methods.method import Outcome, Setting, State
from .methods.peer import PeerError
from .methods.registry import Chosen
from .results import Row
from .tasks.shapes import Shape, shaped
from .tasks.task import draws

DIMENSIONS = 10
_SEED = 7


def latencies(methods: Sequence[Chosen], observations: Sequence[int], asks: int) -> Iterator[Row]:
    """CPU seconds of an ask, with the telling of its result, on 10 mixed parameters.

    The first ask stands by itself: it also pays for all that was told at once, and for what is loaded or compiled then.
    """
    for method in methods:
        for count in observations:
            try:
                seconds = _asked(method, count, asks)
            except PeerError as error:
                print(f"{method.name}: left out, {error}", flush=True)
                break
            median, worst = np.quantile(seconds[1:], [0.5, 0.95])
            row: Row = {"method": method.name, "observations": count, "asks": asks}
            yield row | {"median": median, "p95": worst, "first": seconds[0]}


def _asked(method: Chosen, count: int, asks: int) -> list[float]:
    task = shaped("latency", "levy", DIMENSIONS, Shape(integers=3, categories=3), "-mixed")
    search = method.maker(task, Setting(budget=count + asks + 1), _SEED)
    for number, values in enumerate(draws(task.space, count, _SEED), start=1):
        search.learn(number, values, task.exact(values) or 0.0)
    seconds, before = [], search.seconds
    for number in range(count + 1, count + asks + 2):
        (values,) = search.ask([number])
        search.tell(number, Outcome(state=State.FINISHED, value=task.exact(values)))
        seconds.append(search.seconds - before)
        before = search.seconds
    search.close()
    return seconds
