"""The searches from which a search of the short form starts.

warm_start: train-1
warm_start: {parents: [train-1, train-2], transfer: true}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.client.document import Node
from pegbox.client.faults import Fault, mapping, shown, text
from pegbox.domain.parents import IDENTICAL

KEYS = ("parents", "transfer")
_TRANSFER = "TransferLearning"
_MOST = 5  #: parents of a search


def warm_start(node: Node) -> Mapping[str, Any]:
    """WarmStartConfig.  Raises Fault."""
    given = mapping(node, KEYS) if isinstance(node.value, dict) else {"parents": node}
    if "parents" not in given:
        raise Fault(node, "there are no parents: write warm_start: NAME, or {parents: [NAME, NAME], transfer: true}")
    parents = given["parents"]
    names = [text(each) for each in parents.value] if isinstance(parents.value, list) else [text(parents)]
    if not 1 <= len(names) <= _MOST:
        raise Fault(parents, f"{len(names)} parents: a search has one to {_MOST}")
    transfer = given["transfer"].value if "transfer" in given else False
    if not isinstance(transfer, bool):
        raise Fault(given["transfer"], f"{shown(given['transfer'])} is neither true nor false")
    return {
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in names],
        "WarmStartType": _TRANSFER if transfer else IDENTICAL,
    }
