"""What a training image means here: a built-in algorithm, a registered command, or the user's own script.

Script mode follows the SageMaker training toolkit: `sagemaker_program` from `sagemaker_submit_directory` is run with
the hyperparameters as command-line arguments, those that begin with `sagemaker_` left out.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pegbox.algorithms.base import Algorithm
from pegbox.algorithms.registry import program_of
from pegbox.domain.arguments import fill, plain
from pegbox.engine.faults import ClientFault
from pegbox.executors.base import Program
from pegbox.store.image import Image

PROGRAM, SOURCE = "sagemaker_program", "sagemaker_submit_directory"


@dataclass(frozen=True, slots=True)
class Plan:
    """A program and, in script mode, where its source lies."""

    program: Program
    source: str | None = None  #: URI of the tar.gz, or of a folder


def plan(document: Mapping[str, Any], find_image: Callable[[str], Image | None], python: str) -> Plan:
    """What a training job with this document runs.  Raises ClientFault for an image nobody knows."""
    specification = document["AlgorithmSpecification"]
    name, hyperparameters = specification["TrainingImage"], document.get("HyperParameters") or {}
    image = find_image(name)
    if specification.get("ContainerEntrypoint") or (image and image.command):
        return Plan(_command(specification, image, python, hyperparameters))
    meaning = image or program_of(name, hyperparameters)
    if meaning is None:
        raise ClientFault(
            f"The training image [{name}] is not known on this server, which runs jobs without containers. "
            f'Register what it runs: pegbox image add {name} --command "python train.py"'
        )
    if specification.get("ContainerArguments"):
        raise ClientFault(
            f"The training image [{name}] has no command here that could take ContainerArguments: "
            "give a ContainerEntrypoint as well, or hyperparameters instead."
        )
    if isinstance(meaning, Algorithm):
        return Plan(Program(module=meaning.trainer))
    return _script(name, hyperparameters, (image and image.python) or python or sys.executable, image)


def _command(
    specification: Mapping[str, Any], image: Image | None, python: str, hyperparameters: Mapping[str, str]
) -> Program:
    argv = [*(specification.get("ContainerEntrypoint") or ())]
    if not argv and image:
        argv = [*image.command, *_filled(image, hyperparameters)]
    argv += specification.get("ContainerArguments") or []
    argv[0] = _interpreter(argv[0], (image and image.python) or python)
    return Program(
        argv=tuple(argv),
        workdir=image.workdir if image else None,
        environment=image.environment if image else {},
        paths=_named(image, python),
        binds=tuple(image.binds) if image else (),
    )


def _filled(image: Image, hyperparameters: Mapping[str, str]) -> list[str]:
    try:
        return fill(image.arguments, hyperparameters)
    except KeyError as missing:
        raise ClientFault(
            f"The arguments of the training image [{image.name}] need the hyperparameter [{missing.args[0]}], "
            "which the job has not."
        ) from None


def _named(image: Image | None, python: str) -> tuple[str, ...]:
    """What stays readable because whoever runs the server named it, not the request."""
    words = [*(image.command if image else ()), (image and image.python) or "", python]
    return tuple(word for word in words if "/" in word)


def _interpreter(name: str, python: str) -> str:
    """`python` means the interpreter that was named for the image, or the one on the path, or the server's own."""
    if name not in ("python", "python3"):
        return name
    return python or shutil.which(name) or sys.executable


def _script(name: str, hyperparameters: Mapping[str, str], python: str, image: Image | None) -> Plan:
    program, source = (plain(hyperparameters.get(key, "")) for key in (PROGRAM, SOURCE))
    if not program or not source:
        raise ClientFault(
            f"The training image [{name}] runs your own script: "
            f"the hyperparameters {PROGRAM} and {SOURCE} must name it."
        )
    arguments = [argument for key in sorted(hyperparameters) for argument in _argument(key, hyperparameters[key])]
    return Plan(
        Program(
            argv=(python, program, *arguments),
            workdir="code",
            environment=image.environment if image else {},
            paths=_named(image, python),
            binds=tuple(image.binds) if image else (),
        ),
        source,
    )


def _argument(name: str, value: str) -> list[str]:
    if name.startswith("sagemaker_") or name == "_tuning_objective_metric":
        return []
    return [f"--{name}" if len(name) > 1 else f"-{name}", plain(value)]
