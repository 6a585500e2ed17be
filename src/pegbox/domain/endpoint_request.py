"""CreateEndpointConfig and CreateEndpoint: the rules beyond the model's, and the defaults that Describe reports.

(API reference, CreateEndpointConfig, ProductionVariant, ProductionVariantServerlessConfig, DeploymentConfig.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pegbox.domain.definition import refuse

Variant = Mapping[str, Any]

DEFAULT_WEIGHT = 1.0
_MEMORY_STEP = 1024  #: MemorySizeInMB is a multiple of it


def check_config(request: Mapping[str, Any]) -> None:
    """Raise ValidationException for whatever the shapes alone cannot refuse."""
    shadows = request.get("ShadowProductionVariants") or []
    if request.get("ExecutionRoleArn") or request.get("VpcConfig") or request.get("EnableNetworkIsolation"):
        refuse(
            "ExecutionRoleArn, VpcConfig and EnableNetworkIsolation of an endpoint configuration are for inference "
            "components, which are not supported: give them to the model."
        )
    if shadows and (len(request["ProductionVariants"]), len(shadows)) != (1, 1):
        refuse("With ShadowProductionVariants there must be one production variant and one shadow variant.")
    names = [each["VariantName"].lower() for each in variants(request)]
    for each in variants(request):
        if names.count(each["VariantName"].lower()) > 1:
            refuse(f"The VariantName [{each['VariantName']}] is used more than once in the endpoint configuration.")
        _check_variant(each)
    serverless = [each for each in variants(request) if each.get("ServerlessConfig")]
    if serverless and (len(names) > 1 or request.get("AsyncInferenceConfig") or request.get("DataCaptureConfig")):
        refuse(
            "A variant with ServerlessConfig must be the only one, without AsyncInferenceConfig and DataCaptureConfig."
        )


def variants(config: Mapping[str, Any]) -> list[Variant]:
    """All variants of an endpoint configuration, those that only watch last."""
    return [*config["ProductionVariants"], *(config.get("ShadowProductionVariants") or [])]


def model_names(config: Mapping[str, Any]) -> list[str]:
    """The models that an endpoint configuration names, each once."""
    return list(dict.fromkeys(name for each in variants(config) for name in _models(each)))


def normalise_config(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with the defaults that Describe reports."""
    document = dict(request)
    document.pop("Tags", None)
    for name in ("ProductionVariants", "ShadowProductionVariants"):
        if request.get(name):
            document[name] = [{"InitialVariantWeight": DEFAULT_WEIGHT, **each} for each in request[name]]
    return document


def desired(variant: Variant, given: Mapping[str, Any]) -> dict[str, Any]:
    """What UpdateEndpointWeightsAndCapacities changes of a variant.  Raises ValidationException."""
    name, serverless = variant["VariantName"], variant.get("ServerlessConfig")
    if serverless and given.get("DesiredInstanceCount") is not None:
        refuse(f"The variant [{name}] is serverless: give ServerlessUpdateConfig instead of DesiredInstanceCount.")
    if given.get("ServerlessUpdateConfig") and not serverless:
        refuse(f"The variant [{name}] is not serverless: leave ServerlessUpdateConfig out.")
    found = {member: given[member] for member in ("DesiredWeight", "DesiredInstanceCount") if member in given}
    if serverless and given.get("ServerlessUpdateConfig"):
        found["DesiredServerlessConfig"] = {**serverless, **given["ServerlessUpdateConfig"]}
        _check_serverless(name, {"ServerlessConfig": found["DesiredServerlessConfig"]})
    return found


def check_deployment(deployment: Mapping[str, Any] | None) -> None:
    """Raise ValidationException for a DeploymentConfig that says too much or too little."""
    if not deployment:
        return
    blue_green, rolling = deployment.get("BlueGreenUpdatePolicy"), deployment.get("RollingUpdatePolicy")
    if blue_green and rolling:
        refuse("A DeploymentConfig can't have both BlueGreenUpdatePolicy and RollingUpdatePolicy.")
    routing = blue_green["TrafficRoutingConfiguration"] if blue_green else {}
    for kind, size in (("CANARY", "CanarySize"), ("LINEAR", "LinearStepSize")):
        if (routing.get("Type") == kind) != bool(routing.get(size)):
            refuse(f"{size} must be given with the traffic routing type {kind}, and with no other.")


def _models(variant: Variant) -> Iterator[str]:
    if name := variant.get("ModelName"):
        yield name
    for pool in variant.get("InstancePools") or []:
        if name := pool.get("ModelNameOverride"):
            yield name


def _check_variant(variant: Variant) -> None:
    name = variant["VariantName"]
    if not variant.get("ModelName"):
        refuse(f"The variant [{name}] needs a ModelName: inference components are not supported.")
    ways = [way for way in ("InstanceType", "InstancePools", "ServerlessConfig") if variant.get(way)]
    if len(ways) != 1:
        refuse(f"The variant [{name}] needs exactly one of InstanceType, InstancePools and ServerlessConfig.")
    if variant.get("ServerlessConfig"):
        _check_serverless(name, variant)
    elif not variant.get("InitialInstanceCount"):
        refuse(f"The variant [{name}] needs an InitialInstanceCount.")
    _check_pools(name, variant.get("InstancePools") or [])
    scaling = variant.get("ManagedInstanceScaling") or {}
    least, most = scaling.get("MinInstanceCount"), scaling.get("MaxInstanceCount")
    if least is not None and most is not None and least > most:
        refuse(f"The variant [{name}] has a MinInstanceCount [{least}] above its MaxInstanceCount [{most}].")


def _check_serverless(name: str, variant: Variant) -> None:
    if variant.get("InitialInstanceCount"):
        refuse(f"The variant [{name}] has a ServerlessConfig: leave InitialInstanceCount out.")
    serverless = variant["ServerlessConfig"]
    if serverless["MemorySizeInMB"] % _MEMORY_STEP:
        refuse(f"The MemorySizeInMB of the variant [{name}] must be a multiple of {_MEMORY_STEP}.")
    if serverless.get("ProvisionedConcurrency", 0) > serverless["MaxConcurrency"]:
        refuse(f"The ProvisionedConcurrency of the variant [{name}] must not be above its MaxConcurrency.")


def _check_pools(name: str, pools: Sequence[Mapping[str, Any]]) -> None:
    for member in ("InstanceType", "Priority"):
        if len({pool[member] for pool in pools}) < len(pools):
            refuse(f"The InstancePools of the variant [{name}] must differ in their {member}.")
