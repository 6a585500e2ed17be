"""Which function serves which operation.

A function marked with `@operation` serves the operation whose snake_case name it bears.  The table is collected once,
when the application is composed; a function name that the service's model lacks fails there and then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, TypeVar

from pegbox.wire.service import operations_by_function

Handler = Callable[[Any, Any], Any]  #: (request as parsed from the wire, call) -> response, before dumping
Table = Mapping[tuple[str, str], Handler]  #: (service, operation) -> handler

_F = TypeVar("_F", bound=Callable[..., Any])
_MARK = "__pegbox_service__"


def operation(function: _F) -> _F:
    """Mark a function of a SageMaker operation module."""
    return operation_of("sagemaker")(function)


def operation_of(service: str) -> Callable[[_F], _F]:
    """Mark a function that serves an operation of another service."""

    def mark(function: _F) -> _F:
        setattr(function, _MARK, service)
        return function

    return mark


def collect(modules: Iterable[ModuleType]) -> Table:
    """The dispatch table of all marked functions.  Raises LookupError for one that no model knows."""
    table: dict[tuple[str, str], Handler] = {}
    for module in modules:
        for name, function in vars(module).items():
            service = getattr(function, _MARK, None)
            if service is None or getattr(function, "__module__", None) != module.__name__:
                continue
            known = operations_by_function(service)
            if name not in known:
                raise LookupError(f"{module.__name__}.{name}: the model of {service} has no such operation")
            table[service, known[name]] = function
    return table
