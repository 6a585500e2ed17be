"""A tracking server of MLflow, by its REST API 2.0."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from pegbox.sources.base import SourceError
from pegbox.sources.mlflow import Kept, KeptRun, seconds

SCHEMES = ("http://", "https://")
PAGE = 1000  #: experiments or runs in one answer
PATIENCE = 60.0  #: seconds
_MOST_TOLD = 300  #: characters of an answer that is none


def shown(uri: str) -> str:
    """The address without name and password."""
    place = urlsplit(uri)
    host = place.netloc.rpartition("@")[2]
    return urlunsplit((place.scheme, host, place.path.rstrip("/"), "", ""))


def experiments(uri: str, wanted: Callable[[str], bool], step: Callable[[int], None]) -> Iterator[Kept]:
    """The experiments whose names are wanted.  Raises SourceError."""
    for each in _pages(uri, "experiments", {"view_type": "ACTIVE_ONLY"}):
        if wanted(each["name"]):
            yield Kept(
                id=str(each["experiment_id"]),
                title=each["name"],
                created=seconds(_number(each.get("creation_time"))),
                runs=[_run(run) for run in _counted(_runs(uri, each["experiment_id"]), step)],
            )


def _runs(uri: str, experiment: str) -> Iterator[Mapping[str, Any]]:
    order = ["attributes.start_time ASC"]
    return _pages(uri, "runs", {"experiment_ids": [experiment], "run_view_type": "ACTIVE_ONLY", "order_by": order})


def _counted(found: Iterator[Mapping[str, Any]], step: Callable[[int], None]) -> Iterator[Mapping[str, Any]]:
    for each in found:
        step(1)
        yield each


def _run(run: Mapping[str, Any]) -> KeptRun:
    info, data = run["info"], run.get("data") or {}
    tags = {each["key"]: each.get("value", "") for each in data.get("tags") or ()}
    return KeptRun(
        id=info.get("run_id") or info["run_uuid"],
        title=info.get("run_name") or tags.get("mlflow.runName", ""),
        status=info["status"],
        started=seconds(_number(info.get("start_time"))),
        ended=seconds(_number(info.get("end_time"))),
        artifacts=info.get("artifact_uri", ""),
        parameters={each["key"]: each.get("value", "") for each in data.get("params") or ()},
        metrics={
            each["key"]: (float(each.get("value", 0.0)), seconds(_number(each.get("timestamp"))))
            for each in data.get("metrics") or ()
        },
        tags=tags,
    )


def _number(value: Any) -> float | None:
    """Of 64 bits: some servers write them as texts."""
    return None if value is None else float(value)


def _pages(uri: str, what: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    token = None
    while True:
        more: dict[str, str] = {"page_token": token} if token else {}
        answer = _ask(uri, f"{what}/search", {**asked, "max_results": PAGE, **more})
        yield from answer.get(what) or ()
        token = answer.get("next_page_token")
        if not token:
            return


def _ask(uri: str, path: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
    where = f"{shown(uri)}/api/2.0/mlflow/{path}"
    request = Request(where, json.dumps(asked).encode(), {"Content-Type": "application/json"})
    for name, value in _credentials(uri).items():
        request.add_unredirected_header(name, value)  # it may be another server that we are sent to
    try:
        with urlopen(request, timeout=PATIENCE) as answer:
            found = json.loads(answer.read())
    except HTTPError as error:
        raise SourceError(f"{where} answers {error.code}: {_reason(error)}") from None
    except (OSError, HTTPException) as error:
        raise SourceError(f"{shown(uri)} does not answer: {getattr(error, 'reason', error)}") from None
    except ValueError:
        raise SourceError(f"{where} does not answer as a tracking server of MLflow does") from None
    if not isinstance(found, dict):
        raise SourceError(f"{where} does not answer as a tracking server of MLflow does")
    return found


def _reason(error: HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return " ".join(str(json.loads(text)["message"]).split())
    except (ValueError, KeyError, TypeError):
        return " ".join(text.split())[:_MOST_TOLD]


def _credentials(uri: str) -> dict[str, str]:
    """As MLflow's own clients have them: in the address, or in the environment."""
    place = urlsplit(uri)
    name = unquote(place.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = unquote(place.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if name:
        return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token else {}
