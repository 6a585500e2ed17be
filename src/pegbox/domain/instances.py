"""What the instance types of the service have: processors and memory.

(Amazon EC2, "Instance types"; SageMaker developer guide, "Instance types available for use".)  A type is a family, a
generation and a size; within a family memory goes with the processors, with the exceptions listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GIB = 1 << 30

#: letters of a family -> GiB of memory for each vCPU
_MEMORY = {"m": 4.0, "c": 2.0, "r": 8.0, "t": 4.0, "g": 4.0}
#: size -> vCPUs; Nxlarge has 4 N
_PROCESSORS = {"large": 2, "xlarge": 4}
_TYPE = re.compile(r"ml\.(?P<family>([a-z]+)\d+[a-z-]*)\.(?P<size>(\d*)xlarge|[a-z]+)")

#: family -> GiB of memory for each vCPU, where it is not that of its letter
_OF_FAMILY = {"c4": 1.875, "c5n": 2.625, "r4": 7.625, "g6e": 8.0, "p3": 7.625}

#: (vCPUs, GiB) of the types that follow no rule
_EXACT = {
    "ml.c4.8xlarge": (36, 60.0),
    "ml.c5n.18xlarge": (72, 192.0),
    "ml.p2.xlarge": (4, 61.0),
    "ml.p2.8xlarge": (32, 488.0),
    "ml.p2.16xlarge": (64, 732.0),
    "ml.p3dn.24xlarge": (96, 768.0),
    "ml.p4d.24xlarge": (96, 1152.0),
    "ml.p4de.24xlarge": (96, 1152.0),
    "ml.p5.4xlarge": (16, 256.0),
    "ml.p5.48xlarge": (192, 2048.0),
    "ml.p5e.48xlarge": (192, 2048.0),
    "ml.p5en.48xlarge": (192, 2048.0),
    "ml.t2.medium": (2, 4.0),
    "ml.t3.medium": (2, 4.0),
    "ml.trn1.2xlarge": (8, 32.0),
    "ml.trn1.32xlarge": (128, 512.0),
    "ml.trn1n.32xlarge": (128, 512.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What an instance has."""

    cpus: int
    memory: int  #: bytes


def size_of(instance_type: str) -> Size | None:
    """The size of a type; None for `local` and for a type that nobody knows here."""
    if exact := _EXACT.get(instance_type):
        return Size(cpus=exact[0], memory=int(exact[1] * GIB))
    found = _TYPE.fullmatch(instance_type)
    if found is None:
        return None
    each = _OF_FAMILY.get(found["family"]) or _MEMORY.get(found[2])
    cpus = 4 * int(found[4]) if found[4] else _PROCESSORS.get(found["size"])
    if each is None or cpus is None:
        return None
    return Size(cpus=cpus, memory=int(each * cpus * GIB))


def configs(resources: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What a HyperParameterTuningResourceConfig allows, best first, each in the form of a ResourceConfig."""
    several = resources.get("InstanceConfigs")
    if not several:
        return [resources]
    common = {name: resources[name] for name in ("VolumeKmsKeyId",) if resources.get(name)}
    return [{**config, **common} for config in several]


def prioritized(resources: Mapping[str, Any], machine: Size) -> Mapping[str, Any] | None:
    """The first of InstanceConfigs whose instances fit into the machine together; None without InstanceConfigs.

    If none does, waiting would not help: then the first one, which runs as any single InstanceType does.  A type of
    which nobody knows the size fits.
    """
    if not resources.get("InstanceConfigs"):
        return None
    several = configs(resources)
    config = next((each for each in several if _fits(each, machine)), several[0])
    chosen = {"SelectedInstanceType": config["InstanceType"], "SelectedInstanceCount": config["InstanceCount"]}
    return {**config, **chosen}


def _fits(config: Mapping[str, Any], machine: Size) -> bool:
    size, count = size_of(config["InstanceType"]), config["InstanceCount"]
    return size is None or (size.cpus * count <= machine.cpus and size.memory * count <= machine.memory)
