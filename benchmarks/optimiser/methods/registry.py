"""All methods by name."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..tasks.task import Task
from .method import Maker, Setting
from .ours import Ours, fingerprint
from .parents import with_parent
from .peer import Peer
from .variants import NONE, VARIANTS, Changes

OURS = ("Bayesian", "Random")
#: Peer -> the environment in which it runs: the name of its file of requirements and of its folder.
PEERS: Mapping[str, str] = {
    "optuna-tpe": "optuna",
    "optuna-gp": "optuna",
    "smac": "smac",
    "smac-gp": "smac",
    "hebo": "hebo",
    "ax": "ax",
    "vizier": "vizier",
    "syne-tune": "syne_tune",
    "hyperopt": "hyperopt",
    "nevergrad": "nevergrad",
    "sobol": "optuna",
}
#: Peers that run in this environment too, if it has their package.
HERE: Mapping[str, str] = {"optuna-tpe": "optuna", "sobol": "scipy"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A method to be run; sent between processes."""

    name: str  #: as in the results: ours are named after their source as well
    maker: Maker


def ours(strategy: str, changes: Changes = NONE) -> Chosen:
    """A strategy of ours; changes are part of its name.  Random does not change when the others' source does."""
    label = "".join(f"[{place.rpartition(':')[2]}={value}]" for place, value in changes.items())
    source = f"@{fingerprint()}" if strategy != "Random" else ""
    return Chosen(name=strategy + label + source, maker=partial(Ours, strategy=strategy, changes=changes))


def variant(name: str) -> Chosen:
    """Bayesian with an ingredient changed."""
    return Chosen(name=f"{name}@{fingerprint()}", maker=partial(_varied, name=name))


def warm(kind: str, bench: Path | None, cache: Path) -> Chosen:
    """Bayesian with a parent of this kind."""
    maker = partial(with_parent, kind=kind, bench=bench, cache=cache)
    return Chosen(name=f"{kind}-parent@{fingerprint()}", maker=maker)


def _varied(task: Task, setting: Setting, seed: int, *, name: str) -> Ours:
    """Variants are looked up where they run: not all that takes an ingredient's place can be sent there."""
    return Ours(task, setting, seed, strategy="Bayesian", changes=VARIANTS[name])


def peer(name: str, environments: Path) -> Chosen | None:
    """Another optimiser; None if its environment has not been made."""
    python = environments / PEERS[name] / "bin" / "python"
    if not python.exists():
        if name not in HERE or not importlib.util.find_spec(HERE[name]):
            return None
        python = Path(sys.executable)
    return Chosen(name=name, maker=partial(Peer, name=name, python=python))
