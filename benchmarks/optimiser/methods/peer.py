"""Other optimisers, each a worker process in an environment of its own: one JSON line for a request and its answer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pegbox.domain.ranges import Categorical, Continuous, Parameter, Scaling, render

from ..tasks.task import Task, Values
from .method import Outcome, Setting

WORKER = Path(__file__).parents[1] / "peers" / "worker.py"


class PeerError(Exception):
    """A peer's process has ended, or has answered something else than a configuration."""


class Peer:
    """A search by another optimiser, which always minimises."""

    expected: float | None = None  #: they do not say

    def __init__(self, task: Task, setting: Setting, seed: int, *, name: str, python: Path) -> None:
        self._task, self._name = task, name
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "NUMEXPR")}
        self._process = subprocess.Popen(
            [str(python), str(WORKER), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("PEER_LOG") else None,
            text=True,
            env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | threads,
        )
        self.seconds = 0.0
        begin = {
            "space": [_describe(parameter) for parameter in task.space.parameters],
            "budget": setting.budget,
            "workers": setting.workers,
            "seed": seed,
        }
        self.versions: Mapping[str, str] = self._request(begin)["versions"]
        self.seconds = 0.0  # importing the library is not asking it

    def ask(self, numbers: Sequence[int]) -> list[Values]:
        found = self._request({"ask": list(numbers)})["configurations"]
        return [self._rendered(configuration) for configuration in found]

    def observe(self, number: int, curve: tuple[float, ...]) -> None:
        self._request({"observe": number, "step": len(curve), "value": self._task.sign * curve[-1]})

    def tell(self, number: int, outcome: Outcome) -> None:
        value = None if outcome.value is None else self._task.sign * outcome.value
        self._request({"tell": number, "state": outcome.state.value, "value": value, "step": len(outcome.curve)})

    def learn(self, number: int, values: Values, value: float) -> None:
        configuration = {
            parameter.name: _native(parameter, values[parameter.name]) for parameter in self._task.space.parameters
        }
        self._request({"learn": number, "configuration": configuration, "value": self._task.sign * value})

    def close(self) -> None:
        self._process.communicate()

    def _request(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = json.loads(self._process.stdout.readline() or "null")
        except BrokenPipeError:
            answer = None
        if answer is None or "error" in answer:
            self.close()
            raise PeerError(f"{self._name}: {answer['error'] if answer else 'its process has ended'}")
        self.seconds += answer["seconds"]
        return dict(answer)

    def _rendered(self, configuration: Mapping[str, Any]) -> Values:
        return {
            parameter.name: _render(parameter, configuration[parameter.name])
            for parameter in self._task.space.parameters
        }


def _describe(parameter: Parameter) -> dict[str, Any]:
    if isinstance(parameter, Categorical):
        return {"name": parameter.name, "kind": "categorical", "values": list(parameter.values)}
    kind = "float" if isinstance(parameter, Continuous) else "int"
    log = parameter.scale is Scaling.LOGARITHMIC
    return {"name": parameter.name, "kind": kind, "low": parameter.low, "high": parameter.high, "log": log}


def _native(parameter: Parameter, text: str) -> Any:
    if isinstance(parameter, Categorical):
        return text
    return float(text) if isinstance(parameter, Continuous) else int(text)


def _render(parameter: Parameter, value: Any) -> str:
    """A value as a job receives it; rounding may have carried it over an end."""
    if isinstance(parameter, Categorical):
        return parameter.value(parameter.index(value))
    if isinstance(parameter, Continuous):
        return render(min(max(float(value), parameter.low), parameter.high))
    return str(min(max(round(value), parameter.low), parameter.high))
