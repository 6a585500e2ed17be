"""An endpoint as clients see it: its document, and what it remembers of the configuration it was made with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.store.resources import Resource

#: `state` of an endpoint: what may be gone when it is asked for
CONFIG = "config"  #: the document of its endpoint configuration
IMAGES = "images"  #: name of each of its models -> the images of that
ARTIFACTS = "artifacts"  #: name of each of its models -> where its data lies
#: name of a variant -> DesiredWeight, DesiredInstanceCount and DesiredServerlessConfig, where they were changed
DESIRED = "desired"


def description(row: Resource) -> dict[str, Any]:
    """DescribeEndpoint's answer; a record of Search is the same."""
    config = row.state[CONFIG]
    shadows = config.get("ShadowProductionVariants")
    return {
        **row.document,
        **summary(row),
        "ProductionVariants": _variants(config["ProductionVariants"], row),
        "ShadowProductionVariants": _variants(shadows, row) if shadows else None,
        "DataCaptureConfig": _capture(config.get("DataCaptureConfig")),
        "AsyncInferenceConfig": config.get("AsyncInferenceConfig"),
        "ExplainerConfig": config.get("ExplainerConfig"),
        "MetricsConfig": config.get("MetricsConfig"),
    }


def summary(row: Resource) -> dict[str, Any]:
    """One entry of ListEndpoints, and of the Endpoints of a model."""
    return {
        "EndpointName": row.name,
        "EndpointArn": row.arn,
        "CreationTime": row.created_at,
        "LastModifiedTime": row.modified_at,
        "EndpointStatus": row.status,
    }


def _variants(variants: Sequence[Mapping[str, Any]], row: Resource) -> list[dict[str, Any]]:
    return [_variant(each, row) for each in variants]


def _variant(variant: Mapping[str, Any], row: Resource) -> dict[str, Any]:
    """ProductionVariantSummary: no instance of it is there."""
    weight, count = variant["InitialVariantWeight"], variant.get("InitialInstanceCount")
    changed = row.state.get(DESIRED, {}).get(variant["VariantName"], {})
    return {
        "VariantName": variant["VariantName"],
        "DeployedImages": [
            {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": row.modified_at}
            for image in row.state[IMAGES].get(variant["ModelName"], ())
        ],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": None if count is None else 0,
        "DesiredInstanceCount": count,
        "DesiredServerlessConfig": variant.get("ServerlessConfig"),
        "ManagedInstanceScaling": variant.get("ManagedInstanceScaling"),
        "RoutingConfig": variant.get("RoutingConfig"),
        **changed,
    }


def _capture(capture: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if capture is None:
        return None
    return {
        "EnableCapture": capture.get("EnableCapture", False),
        "CaptureStatus": "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }
