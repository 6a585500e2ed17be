"""What a training job and a tuning job's training job definition have in common: the rules beyond the model's, and
the defaults that clients read back.  (API reference, CreateTrainingJob and HyperParameterTrainingJobDefinition.)

What pegbox cannot do yet is refused here, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from posixpath import normpath
from typing import Any, NoReturn

from pegbox.domain.metrics import check_expressions
from pegbox.errors import ResourceLimitExceeded, ValidationException

MOST_HYPERPARAMETERS = 100
MOST_RUNTIME = 28 * 24 * 3600  #: seconds, MaxRuntimeInSeconds of a training job
DEFAULT_RUNTIME = 24 * 3600
MOST_INSTANCES = 100  #: each is a process of this machine
CHECKPOINTS = "/opt/ml/checkpoints/"
_NO_PIPE = "Pipe, which is not supported yet: use File or FastFile."
_RESERVED = ("input", "model", "output", "code")  #: of /opt/ml: not for checkpoints
_SOURCE_LATER = ("AttributeNames", "InstanceGroupNames", "ModelAccessConfig", "HubAccessConfig")


def refuse(message: str) -> NoReturn:
    """Raise ValidationException."""
    raise ValidationException(message)


def check(document: Mapping[str, Any]) -> None:
    """Raise ValidationException for whatever the shapes alone cannot refuse."""
    _check_algorithm(document["AlgorithmSpecification"])
    _check_channels(document.get("InputDataConfig") or [], document["AlgorithmSpecification"]["TrainingInputMode"])
    _check_stopping(document)
    if checkpoints := document.get("CheckpointConfig"):
        _check_local_path(checkpoints.get("LocalPath", CHECKPOINTS), local_path(checkpoints))


def check_resources(document: Mapping[str, Any], place: str = "ResourceConfig") -> None:
    """Raise ValidationException unless type and number of instances are given, ResourceLimitExceeded for too many."""
    if document.get("InstanceGroups"):
        refuse(
            f"{place}.InstanceGroups (heterogeneous clusters) is not supported yet: "
            "give InstanceType and InstanceCount."
        )
    if document.get("KeepAlivePeriodInSeconds"):
        refuse(f"{place}.KeepAlivePeriodInSeconds (warm pools) is not supported yet: leave it out.")
    for unknown in ("TrainingPlanArn", "InstancePlacementConfig", "InstancePreferences"):
        if document.get(unknown):
            refuse(f"{place}.{unknown} is not supported: leave it out.")
    for told in ("SelectedInstanceType", "SelectedInstanceCount"):
        if document.get(told):
            refuse(f"{place}.{told} is told by Describe and can't be set: leave it out.")
    if not document.get("InstanceType"):
        refuse(f"{place} needs an InstanceType, for example ml.m5.large or local.")
    count = document.get("InstanceCount", 0)
    if count < 1:
        refuse(f"{place}.InstanceCount must be at least 1.")
    if count > MOST_INSTANCES:
        quota = "Number of instances for a training job"
        raise ResourceLimitExceeded(quota, "Instances", limit=MOST_INSTANCES, used=0, wanted=count, setting=None)


def normalise(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document with the defaults that Describe reports."""
    condition = {"MaxRuntimeInSeconds": DEFAULT_RUNTIME, **(document.get("StoppingCondition") or {})}
    normal = {**document, "StoppingCondition": condition}
    if resources := document.get("ResourceConfig"):
        normal["ResourceConfig"] = {"VolumeSizeInGB": 1, **resources}
    if channels := document.get("InputDataConfig"):
        normal["InputDataConfig"] = [_channel(channel) for channel in channels]
    for flag in ("EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"):
        normal.setdefault(flag, False)
    if checkpoints := document.get("CheckpointConfig"):
        normal["CheckpointConfig"] = {**checkpoints, "LocalPath": local_path(checkpoints)}
    normal["OutputDataConfig"] = {"KmsKeyId": "", "CompressionType": "GZIP", **document["OutputDataConfig"]}
    return normal


def local_path(checkpoints: Mapping[str, Any]) -> str:
    """LocalPath of a CheckpointConfig in its shortest form; a slash at the end stays, as the guide's default has it."""
    given = checkpoints.get("LocalPath") or CHECKPOINTS
    path = normpath(given)
    if path.startswith("//"):
        path = path[1:]  # POSIX lets two slashes mean something of their own
    return f"{path}/" if given.endswith("/") and path != "/" else path


def _channel(channel: Mapping[str, Any]) -> dict[str, Any]:
    normal = {"CompressionType": "None", "RecordWrapperType": "None", **channel}
    source = channel["DataSource"]["S3DataSource"]
    normal["DataSource"] = {"S3DataSource": {"S3DataDistributionType": "FullyReplicated", **source}}
    return normal


def _check_algorithm(algorithm: Mapping[str, Any]) -> None:
    if bool(algorithm.get("TrainingImage")) == bool(algorithm.get("AlgorithmName")):
        refuse("AlgorithmSpecification needs exactly one of TrainingImage and AlgorithmName.")
    if algorithm.get("AlgorithmName"):
        refuse(
            "AlgorithmSpecification.AlgorithmName is not supported: there are no algorithm resources here. "
            "Give a TrainingImage."
        )
    check_expressions(algorithm.get("MetricDefinitions") or [])


def _check_channels(channels: Sequence[Mapping[str, Any]], mode: str) -> None:
    if mode == "Pipe" and not channels:
        refuse(f"AlgorithmSpecification.TrainingInputMode is {_NO_PIPE}")
    names = [channel["ChannelName"] for channel in channels]
    for name in names:
        if names.count(name) > 1:
            refuse(f"The channel name [{name}] is used more than once. Channel names must be unique within a job.")
    for channel in channels:
        _check_channel(channel, channel.get("InputMode") or mode)


def _check_channel(channel: Mapping[str, Any], mode: str) -> None:
    name, sources = channel["ChannelName"], {key for key, value in channel["DataSource"].items() if value}
    if name in (".", ".."):
        refuse(f"The ChannelName [{name}] can't be the name of a folder.")
    if channel.get("ShuffleConfig"):
        refuse(f"The channel [{name}] has a ShuffleConfig, which is not supported yet: leave it out.")
    if len(sources) != 1:
        refuse(f"The channel [{name}] needs exactly one data source; it has {len(sources)}.")
    if sources != {"S3DataSource"}:
        refuse(
            f"The channel [{name}] has a {sources.pop()}, which is not supported yet: "
            "use an S3DataSource with an s3:// or file:// URI."
        )
    source = channel["DataSource"]["S3DataSource"]
    for unknown in _SOURCE_LATER:
        if source.get(unknown):
            refuse(f"The channel [{name}] has {unknown}, which is not supported yet: leave it out.")
    if mode == "Pipe":
        refuse(f"The channel [{name}] has input mode {_NO_PIPE}")
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        refuse(
            f"The channel [{name}] has S3DataType {source['S3DataType']}, which is not supported yet: "
            "use S3Prefix or ManifestFile."
        )
    if mode == "FastFile" and source["S3DataType"] != "S3Prefix":
        refuse(f"The channel [{name}] has input mode FastFile, which needs S3DataType S3Prefix.")
    if channel.get("CompressionType", "None") != "None" or channel.get("RecordWrapperType", "None") != "None":
        refuse(f"The channel [{name}] has a CompressionType or RecordWrapperType, which need input mode Pipe.")


def _check_stopping(document: Mapping[str, Any]) -> None:
    condition = document.get("StoppingCondition") or {}
    runtime = condition.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME)
    if runtime > MOST_RUNTIME:
        refuse(f"MaxRuntimeInSeconds [{runtime}] is above the limit of 28 days [{MOST_RUNTIME}].")
    if condition.get("MaxPendingTimeInSeconds"):
        refuse("StoppingCondition.MaxPendingTimeInSeconds is not supported yet: leave it out.")
    wait = condition.get("MaxWaitTimeInSeconds")
    if document.get("EnableManagedSpotTraining"):
        if wait is None or wait < runtime:
            refuse("Managed spot training needs a MaxWaitTimeInSeconds that is at least MaxRuntimeInSeconds.")
    elif wait is not None:
        refuse("MaxWaitTimeInSeconds is for managed spot training: set EnableManagedSpotTraining or leave it out.")


def _check_local_path(given: str, path: str) -> None:
    below = path.removeprefix("/opt/ml/")
    if below in ("", path) or ".." in given.split("/") or "\0" in given:
        refuse(f"CheckpointConfig.LocalPath [{given}] must lie below /opt/ml.")
    if (first := below.split("/")[0]) in _RESERVED:
        refuse(
            f"CheckpointConfig.LocalPath [{given}] must not lie in /opt/ml/{first}, which has another purpose: "
            f"use {CHECKPOINTS} or another folder below /opt/ml."
        )
