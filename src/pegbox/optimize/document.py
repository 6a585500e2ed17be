"""A search as JSON: settings, ranges, and every trial with its plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pegbox.optimize.ranges import Choice, Integer, Range, Real, Value
from pegbox.optimize.values import Outcome
from pegbox.strategies.base import TrialState

FORM = "pegbox.optimize 1"

Told: TypeAlias = tuple[Mapping[str, Value], Outcome]


def written(settings: Mapping[str, Any], space: Mapping[str, Range], trials: Iterable[Told]) -> str:
    """The text, one trial a line."""
    head = {"form": FORM, **settings, "space": {name: _range(each) for name, each in space.items()}}
    lines = [json.dumps(_told(parameters, outcome), allow_nan=False) for parameters, outcome in trials]
    told = "[]" if not lines else "[\n" + ",\n".join(lines) + "\n]"
    return json.dumps(head, allow_nan=False, indent=1).removesuffix("\n}") + f',\n "results": {told}\n}}\n'


def read(text: str) -> tuple[dict[str, Any], Mapping[str, Range], Sequence[Told]]:
    """Settings, ranges and trials.  ValueError if the text is no search."""
    try:
        document = json.loads(text)
        if not isinstance(document, dict) or document.get("form") != FORM:
            raise ValueError(f"this is no search that was saved: it does not begin with the form {FORM!r}")
        settings = {name: document[name] for name in ("goal", "trials", "seed", "strategy")}
        settings |= {"identical": document.get("identical", False), "earlier": document.get("earlier", [])}
        settings["at_once"] = document.get("at_once", 1)
        space = {name: _read_range(each) for name, each in document["space"].items()}
        return settings, space, [_read_told(each) for each in document["results"]]
    except json.JSONDecodeError as error:
        raise ValueError(f"this is no search that was saved, nor any JSON: {error}") from None
    except KeyError as error:
        raise ValueError(f"this is no search that was saved: it has no {error}") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(f"this is no search that was saved: {error}") from None


def _told(parameters: Mapping[str, Value], outcome: Outcome) -> Mapping[str, Any]:
    told = {"parameters": dict(parameters), "state": outcome.state.value, "value": outcome.value}
    return {**told, "curve": outcome.curve} if outcome.curve else told


def _range(each: Range) -> Mapping[str, Any]:
    if isinstance(each, Choice):
        return {"choice": list(each.values)}
    kind = "real" if isinstance(each, Real) else "integer"
    return {kind: [each.low, each.high], "scale": each.scale}


def _read_range(each: Mapping[str, Any]) -> Range:
    if "choice" in each:
        return Choice(tuple(each["choice"]))
    if "real" in each:
        low, high = map(float, each["real"])
        return Real(low, high, each["scale"])
    low, high = each["integer"]
    return Integer(low, high, each["scale"])


def _read_told(each: Mapping[str, Any]) -> Told:
    state, value, curve = TrialState(each["state"]), each["value"], tuple(map(float, each.get("curve", ())))
    wanted = {TrialState.FINISHED: True, TrialState.STOPPED: value is not None}.get(state, False)
    if wanted != (value is not None and math.isfinite(value)) or not all(map(math.isfinite, curve)):
        raise ValueError(f"{value} is no value of a trial that is {state.value}, or {curve} no curve")
    return each["parameters"], Outcome(state, None if value is None else float(value), curve)
