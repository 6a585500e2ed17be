"""Searches through the API: page by page, as the Python program that does the same, and with faults at their place."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from pegbox.client import query

PAGE = 100  #: records of one call

#: Resource -> the member of SearchRecord, where that has another name
_MEMBERS = {"ExperimentTrial": "Trial", "ExperimentTrialComponent": "TrialComponent"}
_NAMES = {"ExperimentTrial": "TrialName", "ExperimentTrialComponent": "TrialComponentName"}
_STATUSES = {
    "TrainingJob": "TrainingJobStatus",
    "HyperParameterTuningJob": "HyperParameterTuningJobStatus",
    "ExperimentTrialComponent": "Status.PrimaryStatus",
    "Endpoint": "EndpointStatus",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to look for."""

    resource: str
    text: str  #: the expression as it was typed
    node: query.Node | None
    sort_by: str | None
    ascending: bool
    limit: int

    def request(self) -> dict[str, Any]:
        """What Search is asked, but for the page."""
        request: dict[str, Any] = {"Resource": self.resource}
        if self.node is not None:
            request["SearchExpression"] = query.expression(self.node)
        if self.sort_by is not None:
            request |= {"SortBy": self.sort_by, "SortOrder": "Ascending" if self.ascending else "Descending"}
        return request

    def columns(self) -> list[str]:
        """What is shown if nothing else is said: what was asked for."""
        known = [_NAMES.get(self.resource, f"{self.resource}Name"), _STATUSES.get(self.resource)]
        asked = [self.sort_by, *(each.name for each in query.conditions(self.node)), "CreationTime"]
        found: dict[str, str] = {}
        for name in (each for each in (*known, *asked) if each is not None):
            found.setdefault(name.lower(), name)
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Hits:
    """Records, and how many there are on all pages."""

    records: list[Mapping[str, Any]]
    total: int
    is_exact: bool
    has_more: bool


class NoResource(Exception):
    """The API knows no such resource."""


def resource_of(given: str) -> str:
    """A resource as the API calls it, however it is written.  Raises NoResource."""
    from pegbox.wire.service import service_model

    known: list[str] = service_model("sagemaker").shape_for("ResourceType").enum
    found = next((each for each in known if each.lower() == given.lower().replace("-", "")), None)
    if found is None:
        raise NoResource(f"{given!r} is none of {', '.join(known)}")
    return found


def find(sagemaker: Any, wanted: Wanted) -> Hits:
    """The first hits.  Raises QueryFault for what the server finds wrong with the expression."""
    records: list[Mapping[str, Any]] = []
    total: Mapping[str, Any] = {"Value": 0, "Relation": "EqualTo"}
    token: dict[str, str] = {}
    try:
        while True:
            most = min(PAGE, wanted.limit - len(records))
            page = sagemaker.search(**wanted.request(), MaxResults=most, **token)
            member = _MEMBERS.get(wanted.resource, wanted.resource)
            records += [_record(each[member], member) for each in page["Results"]]
            total = page.get("TotalHits") or total if not token else total
            token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
            if not token or len(records) >= wanted.limit:
                break
    except sagemaker.exceptions.ClientError as error:
        fault = _fault(wanted, error.response["Error"].get("Message", ""))
        raise (fault or error) from None
    if not token:
        return Hits(records, len(records), True, False)
    return Hits(records, max(total["Value"], len(records) + 1), total["Relation"] == "EqualTo", True)


def _record(found: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    """A model is a member of what is found for one."""
    inner = found.get(member)
    return {**found, **inner} if isinstance(inner, Mapping) else found


def _fault(wanted: Wanted, message: str) -> query.QueryFault | None:
    """The server's refusal at the place in the text that it is about."""
    unknown = re.fullmatch(r"Unknown (?:nested )?property name: (.*)", message)
    name = unknown or re.search(r"(?:property|filter on) \[(.*?)\]", message)
    if name is None:
        return None
    about = name[1].lower()
    meant = "" if unknown is None else _close(wanted.resource, name[1])
    for each in query.conditions(wanted.node):
        if each.name.lower() == about:
            place = each.value_at if message.startswith("The value [") else each.name_at
            return query.QueryFault(wanted.text, place, message + meant)
    for element in query.elements(wanted.node):
        if element.name.lower() == about:
            return query.QueryFault(wanted.text, element.name_at, message + meant)
    return None


def _close(resource: str, name: str) -> str:
    """A name that may be meant."""
    from pegbox.operations.catalogs import KINDS, searched

    if resource not in KINDS:
        return ""
    catalog = searched(resource).catalog
    first, _, rest = name.partition(".")
    found = get_close_matches(name, list(catalog.types), 1)
    if not found and rest:
        found = [f"{each}.{rest}" for each in get_close_matches(first, list(catalog.maps), 1)]
    return f"; did you mean {found[0]}?" if found else ""


def program(wanted: Wanted) -> str:
    """The Python program that finds the same."""
    member = _MEMBERS.get(wanted.resource, wanted.resource)
    name = _NAMES.get(wanted.resource, f"{wanted.resource}Name")
    inner = '["Model"]' if member == "Model" else ""  # what is found is a model on its dashboard
    given = {**wanted.request(), "PaginationConfig": {"MaxItems": wanted.limit, "PageSize": min(PAGE, wanted.limit)}}
    return "\n".join(
        (
            "import boto3",
            "",
            'sagemaker = boto3.client("sagemaker")',
            'pages = sagemaker.get_paginator("search").paginate(',
            *_arguments(given),
            ")",
            "for page in pages:",
            '    for result in page["Results"]:',
            f'        print(result["{member}"]{inner}["{name}"])',
        )
    )


def _arguments(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        shown = json.dumps(value, indent=4, ensure_ascii=False)  # texts, numbers, lists and objects: Python, too
        yield textwrap.indent(f"{name}={shown},", "    ")
