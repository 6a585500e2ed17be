"""botocore's service models: the operations and shapes of the services that are served here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import re2
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StringShape

from pegbox.errors import InvalidParameter, PegboxError, ValidationException

#: Services whose requests are parsed by model, with the prefix of X-Amz-Target (JSON) or the API version (query).
JSON_TARGETS: Mapping[str, str] = {"SageMaker": "sagemaker", "Logs_20140328": "logs", "Pegbox": "pegbox"}
QUERY_VERSIONS: Mapping[str, str] = {"2011-06-15": "sts"}
#: REST with JSON bodies: method and path; no bucket's name has capitals
REST_PATHS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("PUT", "/BatchPutMetrics"): ("sagemaker-metrics", "BatchPutMetrics"),
    ("POST", "/BatchGetMetrics"): ("sagemaker-metrics", "BatchGetMetrics"),
}
#: by POST, and it could be the path of an object, which is signed for another service
INVOCATION = re.compile(r"/endpoints/[^/]+/invocations")
INVOKE = ("sagemaker-runtime", "InvokeEndpoint")
#: services that are signed for by another name
SIGNED_AS: Mapping[str, str] = {"sagemaker-metrics": "sagemaker", "sagemaker-runtime": "sagemaker"}

OWN_MODELS = str(Path(__file__).parent / "models")  #: of what no service of AWS does

#: Enumerations that grow with every new instance family: any well-formed name is accepted.
_INSTANCE_TYPE = r"ml\.[a-z0-9-]+\.[a-z0-9-]+|local|local_gpu"
OPEN_ENUMS: Mapping[str, str] = {
    "TrainingInstanceType": _INSTANCE_TYPE,
    "ProductionVariantInstanceType": _INSTANCE_TYPE,
}

SHORT = 64  #: characters of a text that is remembered as fitting a pattern, or not

#: Wherever the service takes an S3 URI, a file of this host will do.
S3_URI, FILE_URI = "(https|s3)://", "file:///.*"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a service's model."""

    service: str
    name: str  #: as on the wire, CreateTrainingJob
    model: OperationModel

    def invalid(self, error: ValidationException) -> PegboxError:
        """A request that breaks a rule of the model, as the service calls it."""
        return InvalidParameter(error.message) if self.service == "logs" else error

    @property
    def function(self) -> str:
        """The name of the function that serves it, create_training_job."""
        return str(xform_name(self.name))


@lru_cache(maxsize=8)
def service_model(service: str) -> ServiceModel:
    """The newest model of a service that the installed botocore ships, or of pegbox's own."""
    return ServiceModel(Loader(extra_search_paths=[OWN_MODELS]).load_service_model(service, "service-2"), service)


def find_operation(service: str, name: str) -> Operation | None:
    """The operation, or None when the model does not have it."""
    return _operation(service, name) if name in service_model(service).operation_names else None


@lru_cache(maxsize=1024)
def _operation(service: str, name: str) -> Operation:
    return Operation(service, name, service_model(service).operation_model(name))


@lru_cache(maxsize=8)
def operations_by_function(service: str) -> Mapping[str, str]:
    """Function name -> operation name, for every operation of the service."""
    return {str(xform_name(name)): name for name in service_model(service).operation_names}


def enum_of(shape: Shape) -> list[str]:
    """The values an enumeration admits; empty for a free string."""
    return list(shape.enum) if isinstance(shape, StringShape) and shape.name not in OPEN_ENUMS else []


def pattern_of(shape: Shape) -> str | None:
    """The pattern that a string must match as a whole."""
    pattern = OPEN_ENUMS.get(shape.name) or shape.metadata.get("pattern")
    if pattern and pattern.startswith(S3_URI):
        return f"{pattern}|{FILE_URI}"
    return pattern


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool] | None:
    """A function that says whether a whole string matches; None for the few patterns no engine here can read.

    RE2 first: it knows the Unicode classes of the Java dialect and cannot be made slow.  Short texts, many of
    which come again and again, are matched once.
    """
    match = _compiled(pattern)
    if match is None:
        return None
    known = lru_cache(maxsize=512)(lambda text: match(text) is not None)
    return lambda text: known(text) if len(text) <= SHORT else match(text) is not None


def _compiled(pattern: str) -> Callable[[str], object] | None:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options).fullmatch  # type: ignore[no-any-return]
    except re2.error:
        pass
    try:
        return re.compile(pattern).fullmatch
    except re.error:
        return None
