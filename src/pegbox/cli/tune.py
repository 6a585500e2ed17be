"""pegbox tune."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pegbox.cli.asking import connected
from pegbox.cli.options import Home, Json, given
from pegbox.cli.output import document, lines, tell

if TYPE_CHECKING:
    from pegbox.client.connection import Connection
    from pegbox.client.launching import Launch
    from pegbox.client.wanted import Program, Wanted


def tune(
    file: Annotated[Path, typer.Argument(help="A tuning request: YAML or JSON, of the short form or the API's own.")],
    watch: Annotated[
        bool, typer.Option("--watch/--no-watch", help="Show it until it ends, or start it and leave.")
    ] = True,
    name: Annotated[
        str | None, typer.Option(help="Name of the tuning job.", show_default="that of FILE, with a number")
    ] = None,
    as_json: Json = False,
    home: Home = None,
) -> None:
    """Run a tuning job: of your own program with a few lines, or of a request for CreateHyperParameterTuningJob.

    Without a running server one is started in the background.  Ctrl-C asks whether to stop the job or to leave it.
    """
    from rich.console import Console

    from pegbox.cli.watching import conclude
    from pegbox.cli.watching import watch as look
    from pegbox.client import launching

    wanted = launching.read(file, _input_shape)
    for doubt in wanted.doubts:
        tell(doubt)
    connection = connected(home, fresh=True)
    console = Console(stderr=as_json)
    launch = launching.launch(
        connection, wanted, file, name, lambda image, program: _register(connection, image, program)
    )
    introduction = _introduction(connection, launch, wanted)
    if watch:
        server, ended = look(connection, launch.name, console, given(home), introduction)
        conclude(server, ended, console, given(home), as_json)
    elif as_json:
        document({"HyperParameterTuningJobName": launch.name})
    else:
        lines(console, [*introduction, f"watch       pegbox describe {launch.name} --watch{given(home)}"])


def _introduction(connection: Connection, launch: Launch, wanted: Wanted) -> Iterable[str]:
    """What is about to be done, as it was understood."""
    from pegbox.client.asked import budget

    config = launch.request["HyperParameterTuningJobConfig"]
    yield f"tuning job  {launch.name} on {connection.url}"
    if wanted.program is not None:
        yield f"program     {shlex.join(wanted.program.command)} {' '.join(wanted.program.arguments)}"
        yield f"in          {wanted.program.workdir}"
    width = max(map(len, wanted.parameters), default=0)
    for place, (name, values) in enumerate(wanted.parameters.items()):
        yield f"{'' if place else 'parameters':<12}{name:<{width}}  {values}"
    objective = config.get("HyperParameterTuningJobObjective")
    if objective:
        yield f"{objective['Type'].lower():<12}{objective['MetricName']}"
    yield f"budget      {budget(launch.request)}"


def _register(connection: Connection, name: str, program: Program) -> None:
    from pegbox.cli.images import register
    from pegbox.store.image import Image

    image = Image(
        name=name,
        command=program.command,
        arguments=program.arguments,
        workdir=program.workdir,
        environment=program.environment,
        python=program.python,
        binds=program.binds,
        created_at=time.time(),
    )
    for doubt in register(image, connection.settings, Path(program.workdir)):
        tell(doubt)


def _input_shape() -> Any:
    """Of CreateHyperParameterTuningJob, from the model that boto3 has."""
    import boto3

    client = boto3.client("sagemaker", "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")
    return client.meta.service_model.operation_model("CreateHyperParameterTuningJob").input_shape
