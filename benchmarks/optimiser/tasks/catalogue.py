"""All tasks by name.  A task is made where it is used, since models and data are not sent between processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from .shapes import functions, shaped
from .surrogates import FAILING, GLMNET, LCBENCH, glmnet, lcbench, lcbench_failing
from .task import Task
from .trainings import TRAININGS, training


def catalogue(bench: Path | None, cache: Path) -> Mapping[str, Callable[[], Task]]:
    """Name -> how to make the task; those of surrogates only with the folder that holds these."""
    found: dict[str, Callable[[], Task]] = {}
    if bench:
        found |= {f"lcbench-{instance}": partial(lcbench, bench, instance) for instance in LCBENCH}
        found |= {f"glmnet-{instance}": partial(glmnet, bench, instance) for instance in GLMNET}
        found |= {f"lcbench-{instance}-failing": partial(lcbench_failing, bench, instance) for instance in FAILING}
    for family, function, dimensions, shape, suffix in functions():
        name = function + (str(dimensions) if function != "branin" else "") + suffix
        found[name] = partial(shaped, family, function, dimensions, shape, suffix)
    found |= {name: partial(training, name, cache) for name in TRAININGS}
    return found
