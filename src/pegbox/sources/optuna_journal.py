"""Optuna's journal: a line for each thing that happened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from pegbox.sources.base import SourceError
from pegbox.sources.optuna import Kept, Trial

_STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
_DIRECTIONS = ("NOT_SET", "MINIMIZE", "MAXIMIZE")
_NAMES = "study:metric_names"


class Op(IntEnum):
    """What happened (optuna/storages/journal/_storage.py, JournalOperation)."""

    CREATE_STUDY = 0
    DELETE_STUDY = 1
    STUDY_USER_ATTRIBUTE = 2
    STUDY_SYSTEM_ATTRIBUTE = 3
    CREATE_TRIAL = 4
    PARAMETER = 5
    STATE_AND_VALUES = 6
    INTERMEDIATE_VALUE = 7
    TRIAL_USER_ATTRIBUTE = 8
    TRIAL_SYSTEM_ATTRIBUTE = 9


def replayed(file: Path) -> list[Kept]:
    """The studies that there are at the end of a journal.  Raises SourceError."""
    replay = _Replay()
    for number, line in _lines(file):
        try:
            replay.note(json.loads(line))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            raise SourceError(f"{file}:{number}: this is no line of Optuna's journal") from None
    return replay.studies()


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Without the last one while it is being written."""
    with file.open(encoding="utf-8", errors="replace") as opened:
        for number, line in enumerate(opened, 1):
            if line.endswith("\n"):
                yield number, line


class _Replay:
    def __init__(self) -> None:
        self._studies: list[Kept | None] = []
        self._trials: list[Trial] = []
        self._of: list[Kept] = []  # of each trial its study

    def studies(self) -> list[Kept]:
        """Those that were not deleted."""
        return [kept for kept in self._studies if kept is not None]

    def note(self, line: Mapping[str, Any]) -> None:
        """Let one thing happen; what pegbox does not need is passed over."""
        match Op(line["op_code"]):
            case Op.CREATE_STUDY:
                self._create_study(line)
            case Op.DELETE_STUDY:
                self._studies[line["study_id"]] = None
            case Op.STUDY_SYSTEM_ATTRIBUTE:
                if (kept := self._studies[line["study_id"]]) and _NAMES in line["system_attr"]:
                    kept.metrics = line["system_attr"][_NAMES]
            case Op.CREATE_TRIAL:
                self._create_trial(line)
            case Op.PARAMETER:
                if self._is_open(line):
                    self._parameter(line)
            case Op.STATE_AND_VALUES:
                if self._is_open(line):
                    self._state(self._trials[line["trial_id"]], line)
            case Op.INTERMEDIATE_VALUE:
                if self._is_open(line):
                    self._trials[line["trial_id"]].steps[line["step"]] = float(line["intermediate_value"])
            case Op.TRIAL_USER_ATTRIBUTE:
                self._trials[line["trial_id"]].attributes |= line["user_attr"]
            case _:
                pass

    def _create_study(self, line: Mapping[str, Any]) -> None:
        if any(kept.title == line["study_name"] for kept in self.studies()):
            return  # the second of two that wanted to begin it; Optuna passes over that line as well
        directions = [_DIRECTIONS[each] for each in line["directions"]]
        title = line["study_name"]
        self._studies.append(Kept(title=title, directions=directions, metrics=None, trials=[], distributions={}))

    def _create_trial(self, line: Mapping[str, Any]) -> None:
        kept = self._studies[line["study_id"]]
        if kept is None:
            return
        trial = Trial(
            number=len(kept.trials),
            state=_STATES[line.get("state", 0)],
            started=_seconds(line.get("datetime_start")),
            ended=_seconds(line.get("datetime_complete")),
        )
        kept.trials.append(trial)
        self._trials.append(trial)
        self._of.append(kept)
        distributions = line.get("distributions") or {}
        for name, value in (line.get("params") or {}).items():
            self._distributed(kept, trial, name, value, distributions[name])
        self._values(trial, line.get("values") or ([] if line.get("value") is None else [line["value"]]))
        trial.steps = {int(step): float(value) for step, value in (line.get("intermediate_values") or {}).items()}
        trial.attributes = dict(line.get("user_attrs") or {})

    def _parameter(self, line: Mapping[str, Any]) -> None:
        at = line["trial_id"]
        value, distribution = line["param_value_internal"], line["distribution"]
        self._distributed(self._of[at], self._trials[at], line["param_name"], value, distribution)

    def _distributed(self, kept: Kept, trial: Trial, name: str, value: float, distribution: str) -> None:
        trial.parameters[name] = value
        seen, new = kept.distributions.setdefault(name, []), json.loads(distribution)
        if new not in seen:
            seen.append(new)

    def _is_open(self, line: Mapping[str, Any]) -> bool:
        return self._trials[line["trial_id"]].state in ("RUNNING", "WAITING")

    def _state(self, trial: Trial, line: Mapping[str, Any]) -> None:
        state = _STATES[line["state"]]
        if state == "RUNNING" and trial.state == "RUNNING":
            return  # somebody else has taken it
        trial.state = state
        trial.started = _seconds(line.get("datetime_start")) or trial.started
        trial.ended = _seconds(line.get("datetime_complete")) or trial.ended
        self._values(trial, line.get("values") or [])

    def _values(self, trial: Trial, values: list[float]) -> None:
        trial.values |= {place: float(value) for place, value in enumerate(values)}


def _seconds(text: str | None) -> float | None:
    """Epoch seconds; a text without a zone is a local time."""
    return None if text is None else round(datetime.fromisoformat(text).timestamp(), 3)
