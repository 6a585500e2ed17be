"""The records that Search answers with, as the model has them: which member has which type."""

from __future__ import annotations

from collections.abc import Iterator

from botocore.model import ListShape, MapShape, Shape, StructureShape

from pegbox.wire.service import service_model

#: what Search calls a resource -> the member of SearchRecord that holds it, where the names differ
MEMBERS = {"ExperimentTrial": "Trial", "ExperimentTrialComponent": "TrialComponent"}


def member_of(resource: str) -> str:
    """The member of SearchRecord that holds a resource."""
    return MEMBERS.get(resource, resource)


def paths(resource: str) -> Iterator[tuple[str, str]]:
    """(path, type) of all members of a resource's record, at any depth.

    The type is the model's of a scalar, `map`, `list` (of structures, whose members follow) or `strings`.  Lists inside
    lists are left out.
    """
    records = service_model("sagemaker").shape_for("SearchRecord")
    assert isinstance(records, StructureShape)
    yield from _below(records.members[member_of(resource)], "", in_list=False, above=())


def _below(shape: Shape, path: str, *, in_list: bool, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    assert isinstance(shape, StructureShape)
    for name, member in shape.members.items():
        where = f"{path}.{name}" if path else name
        if member.name in above:
            continue
        if isinstance(member, StructureShape):
            yield from _below(member, where, in_list=in_list, above=(*above, member.name))
        elif isinstance(member, MapShape):
            yield where, "map"
        elif not isinstance(member, ListShape):
            yield where, member.type_name
        elif not in_list:
            is_plain = not isinstance(member.member, StructureShape)
            yield where, "strings" if is_plain else "list"
            if not is_plain:
                yield from _below(member.member, where, in_list=True, above=(*above, member.name))
