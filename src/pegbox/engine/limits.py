"""How much an instance of a training job may use: what its type and its volume have."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from pegbox.domain.instances import GIB, Size, size_of
from pegbox.executors.base import Limits

MOST_PROCESSES = 4096  #: and threads of one instance: more is a mistake


def of(document: Mapping[str, Any], kinds: Collection[str]) -> Limits:
    """The limits of an instance; of memory, cpu, disk and processes only those in `kinds`."""
    resources = document["ResourceConfig"]
    size, volume = size_of(resources["InstanceType"]), resources.get("VolumeSizeInGB") or 0
    return Limits(
        memory=size.memory if size and "memory" in kinds else None,
        cpus=size.cpus if size and "cpu" in kinds else None,
        disk=volume * GIB if volume and "disk" in kinds else None,
        processes=MOST_PROCESSES if "processes" in kinds else None,
    )


def machine() -> Size:
    """What this machine has, for all training jobs."""
    return Size(cpus=os.cpu_count() or 1, memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
