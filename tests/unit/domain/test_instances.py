from __future__ import annotations

from typing import Any

import pytest

from pegbox.domain.instances import GIB, Size, prioritized, size_of

# Amazon EC2, "Instance types": vCPUs and GiB.
PUBLISHED = {
    "ml.m4.xlarge": (4, 16), "ml.m4.10xlarge": (40, 160), "ml.m5.large": (2, 8), "ml.m5.24xlarge": (96, 384),
    "ml.m5d.2xlarge": (8, 32), "ml.m6i.32xlarge": (128, 512), "ml.m7i.48xlarge": (192, 768), "ml.c4.xlarge": (4, 7.5),
    "ml.c4.8xlarge": (36, 60), "ml.c5.large": (2, 4), "ml.c5.9xlarge": (36, 72), "ml.c5.18xlarge": (72, 144),
    "ml.c5n.xlarge": (4, 10.5), "ml.c5n.18xlarge": (72, 192), "ml.c7i.48xlarge": (192, 384), "ml.r5.large": (2, 16),
    "ml.r5d.24xlarge": (96, 768), "ml.t3.medium": (2, 4), "ml.t3.large": (2, 8), "ml.t3.2xlarge": (8, 32),
    "ml.p2.xlarge": (4, 61), "ml.p3.2xlarge": (8, 61), "ml.p3.16xlarge": (64, 488), "ml.p3dn.24xlarge": (96, 768),
    "ml.p4d.24xlarge": (96, 1152), "ml.p5.48xlarge": (192, 2048), "ml.g4dn.xlarge": (4, 16),
    "ml.g4dn.16xlarge": (64, 256), "ml.g5.xlarge": (4, 16), "ml.g5.48xlarge": (192, 768), "ml.g6.12xlarge": (48, 192),
    "ml.g6e.xlarge": (4, 32), "ml.trn1.32xlarge": (128, 512), "ml.x1.32xlarge": None, "local": None, "local_gpu": None,
    "ml.q9.large": None, "ml.m5.metal": None, "m5.large": None, "": None,
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_are_those_that_are_published(name: str) -> None:
    expected, found = PUBLISHED[name], size_of(name)
    assert (None if found is None else (found.cpus, found.memory / GIB)) == expected


MACHINE = Size(cpus=8, memory=32 * GIB)


def allowed(*types: str, count: int = 1) -> dict[str, Any]:
    return {
        "AllocationStrategy": "Prioritized",
        "InstanceConfigs": [{"InstanceType": each, "InstanceCount": count, "VolumeSizeInGB": 2} for each in types],
    }


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (allowed("ml.m5.2xlarge", "ml.m5.large"), "ml.m5.2xlarge"),
        (allowed("ml.m5.4xlarge", "ml.m5.2xlarge", "ml.m5.large"), "ml.m5.2xlarge"),  # too many processors
        (allowed("ml.r5.2xlarge", "ml.m5.large"), "ml.m5.large"),  # too much memory
        (allowed("ml.m5.2xlarge", "ml.m5.xlarge", count=2), "ml.m5.xlarge"),  # two together
        (allowed("ml.m5.24xlarge", "ml.m5.12xlarge"), "ml.m5.24xlarge"),  # neither: as if it were the only one
        (allowed("ml.m5.24xlarge", "local"), "local"),
    ],
)
def test_the_first_choice_that_fits_is_taken(resources: dict[str, Any], expected: str) -> None:
    found = prioritized(resources, MACHINE)
    assert found is not None
    assert found["InstanceType"] == found["SelectedInstanceType"] == expected
    assert found["InstanceCount"] == found["SelectedInstanceCount"]


def test_without_choices_there_is_nothing_to_choose() -> None:
    assert prioritized({"InstanceType": "ml.m5.large", "InstanceCount": 1}, MACHINE) is None
