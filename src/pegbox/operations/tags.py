"""Tags: as requests give them, and of what is there already.  (API reference, Tag, AddTags, ListTags, DeleteTags.)"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pegbox.errors import ValidationException
from pegbox.naming import name_of
from pegbox.operations import automatic
from pegbox.operations.call import Call
from pegbox.store.base import NotFound, Transaction, changing
from pegbox.store.resources import Kind, Resource
from pegbox.wire.registry import operation

if TYPE_CHECKING:
    from types_boto3_sagemaker.type_defs import (
        AddTagsInputTypeDef,
        DeleteTagsInputTypeDef,
        ListTagsInputTypeDef,
    )

MOST = 50  #: of a resource

Tags = list[dict[str, str]]


@operation
def add_tags(request: AddTagsInputTypeDef, call: Call) -> dict[str, Tags]:
    """Add tags, or give those that are there new values; answers with all of them.

    Those of a tuning job are also on the training jobs that it launches from then on.
    """
    new = checked(cast(dict[str, Any], request))

    def added(tags: Tags) -> Tags:
        merged = {tag["Key"]: tag for tag in [*tags, *new]}
        if len(merged) > MOST:
            raise ValidationException(
                f"The resource would have {len(merged)} tags: their number must be less than or equal to {MOST}."
            )
        return list(merged.values())

    return {"Tags": _change(request["ResourceArn"], added, call)}


@operation
def list_tags(request: ListTagsInputTypeDef, call: Call) -> dict[str, Tags]:
    """The tags of a resource: there are no more of them than the smallest page has room for."""
    if request.get("NextToken") is not None:
        raise ValidationException("NextToken is not valid, or belongs to a request for another resource.")
    _have_made(request["ResourceArn"], call)
    with call.store.reading() as tx:
        return {"Tags": tags_of(_find(tx, request["ResourceArn"], call))}


@operation
def delete_tags(request: DeleteTagsInputTypeDef, call: Call) -> dict[str, Any]:
    """Remove the tags with these keys; those that are not there are no fault."""
    keys = frozenset(request["TagKeys"])
    _change(request["ResourceArn"], lambda tags: [tag for tag in tags if tag["Key"] not in keys], call)
    return {}


def checked(request: Mapping[str, Any]) -> Tags:
    """The request's tags.  Raises ValidationException for a key that is reserved or given twice."""
    tags = request.get("Tags") or []
    keys = [tag["Key"] for tag in tags]
    for key in keys:
        if key.lower().startswith("aws:"):
            raise ValidationException(f"The tag key [{key}] is reserved: keys can't begin with aws:.")
        if keys.count(key) > 1:
            raise ValidationException(f"The tag key [{key}] is given more than once.")
    return list(tags)


def tags_of(row: Resource) -> Tags:
    """The tags of a resource, in the order in which they were added."""
    return list(row.document.get("Tags") or [])


def _change(resource: str, change: Callable[[Tags], Iterable[dict[str, str]]], call: Call) -> Tags:
    _have_made(resource, call)

    def changed(tx: Transaction) -> Tags:
        row = _find(tx, resource, call)
        before = tags_of(row)
        tags = list(change(before))
        if tags != before:
            tx.rewrite(replace(row, document={**row.document, "Tags": tags}))
        return tags

    return changing(call.store, changed)


def _have_made(resource: str, call: Call) -> None:
    """What has an ARN as soon as there is a job is made now."""
    for kind in automatic.MADE:
        if call.owns(kind, resource):
            automatic.follow_named(kind, name_of(resource), call)


def _find(tx: Transaction, resource: str, call: Call) -> Resource:
    """The resource that an ARN names, whatever the case of its letters."""
    for kind in Kind:
        if call.owns(kind, resource):
            try:
                return tx.get(call.account, call.region, kind, name_of(resource))
            except NotFound:
                break
    raise ValidationException(f"Could not find the resource with the ARN [{resource}]. Make sure that it is correct.")
