"""CreateModel: the rules beyond the model's, and the defaults that Describe reports.

(API reference, CreateModel, ContainerDefinition, S3ModelDataSource, InferenceExecutionConfig.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pegbox.domain.definition import refuse

Container = Mapping[str, Any]


class ModelData(NamedTuple):
    """Data that a container needs."""

    uri: str
    is_prefix: bool  #: whether it is all that begins so


def check(request: Mapping[str, Any]) -> None:
    """Raise ValidationException for whatever the shapes alone cannot refuse."""
    primary, several = request.get("PrimaryContainer"), request.get("Containers") or []
    if bool(primary) == bool(several):
        refuse("A model needs exactly one of PrimaryContainer and Containers.")
    for container in containers(request):
        _check_container(container)
    _check_pipeline(several, request.get("InferenceExecutionConfig"))


def containers(document: Mapping[str, Any]) -> list[Container]:
    """All containers of a model, the first one first."""
    primary = document.get("PrimaryContainer")
    return [primary] if primary else list(document.get("Containers") or [])


def normalise(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request with the defaults that Describe reports."""
    document = {"EnableNetworkIsolation": False, **request}
    document.pop("Tags", None)
    if primary := request.get("PrimaryContainer"):
        document["PrimaryContainer"] = {"Mode": "SingleModel", **primary}
    if several := request.get("Containers"):
        document["Containers"] = [{"Mode": "SingleModel", **each} for each in several]
    return document


def model_data(container: Container) -> Iterator[ModelData]:
    """Where a container's model comes from; what is no archive of its own is a prefix."""
    if url := container.get("ModelDataUrl"):
        yield ModelData(url, container.get("Mode") == "MultiModel")
    for source in _sources(container):
        yield ModelData(source["S3Uri"], source["S3DataType"] == "S3Prefix")
        if manifest := source.get("ManifestS3Uri"):
            yield ModelData(manifest, is_prefix=False)


def _sources(container: Container) -> Iterator[Mapping[str, Any]]:
    if source := container.get("ModelDataSource"):
        yield source["S3DataSource"]
    for additional in container.get("AdditionalModelDataSources") or []:
        yield additional["S3DataSource"]


def _check_container(container: Container) -> None:
    for later in ("ModelPackageName", "InferenceSpecificationName"):
        if container.get(later):
            refuse(f"{later} is not supported: there are no model packages here. Give an Image and a ModelDataUrl.")
    if not container.get("Image"):
        refuse("A container definition needs an Image.")
    if container.get("ModelDataUrl") and container.get("ModelDataSource"):
        refuse("A container definition can't have both ModelDataUrl and ModelDataSource.")
    if container.get("ModelDataSource") is not None and not container["ModelDataSource"].get("S3DataSource"):
        refuse("ModelDataSource needs an S3DataSource.")
    for source in _sources(container):
        _check_source(source)
    names = [each["ChannelName"] for each in container.get("AdditionalModelDataSources") or []]
    for name in names:
        if names.count(name) > 1:
            refuse(f"The channel name [{name}] of AdditionalModelDataSources is used more than once.")
    _check_mode(container)


def _check_source(source: Mapping[str, Any]) -> None:
    if source.get("HubAccessConfig"):
        refuse("HubAccessConfig is not supported: there is no hub here. Leave it out.")
    for told in ("ETag", "ManifestEtag"):
        if source.get(told):
            refuse(f"{told} of a model data source is not supported: leave it out.")
    if source["S3DataType"] == "S3Prefix" and not source["S3Uri"].endswith("/"):
        refuse(f"The S3Uri [{source['S3Uri']}] of a model data source is an S3Prefix: it must end with a slash.")


def _check_mode(container: Container) -> None:
    url, is_multi = container.get("ModelDataUrl"), container.get("Mode") == "MultiModel"
    if is_multi and not url:
        refuse("A container of Mode MultiModel needs a ModelDataUrl: the prefix below which the models lie.")
    if container.get("MultiModelConfig") and not is_multi:
        refuse("MultiModelConfig is for a container of Mode MultiModel.")
    if url and not is_multi and not url.endswith(".tar.gz"):
        refuse(
            f"The ModelDataUrl [{url}] must name a gzip compressed tar archive, with the suffix .tar.gz. "
            "Data that is not compressed is given as ModelDataSource."
        )


def _check_pipeline(several: Sequence[Container], execution: Mapping[str, Any] | None) -> None:
    names = [each["ContainerHostname"] for each in several if each.get("ContainerHostname")]
    for name in names:
        if names.count(name) > 1:
            refuse(f"The ContainerHostname [{name}] is used more than once. They must be unique within a model.")
    if execution is None:
        return
    if not several:
        refuse("InferenceExecutionConfig is for a model with Containers.")
    if execution["Mode"] == "Direct" and len(names) < len(several):
        refuse("With InferenceExecutionConfig.Mode Direct every container needs a ContainerHostname.")
