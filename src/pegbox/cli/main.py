"""`pegbox`: every command, each in a module of its own."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from pegbox import __version__
from pegbox.cli import (
    admin,
    audit,
    backup,
    compare,
    deleting,
    demo,
    doctor,
    explain,
    export,
    images,
    imports,
    imports_account,
    jobs,
    keys,
    logs,
    metrics,
    model,
    search,
    server,
    tags,
    tune,
)
from pegbox.cli.faults import told

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_show_locals=False,  # they may hold secrets
    help="Automatic model tuning and model tracking on your own machine, behind the Amazon SageMaker API.\n\n"
    "New here?  `pegbox demo` runs a whole tuning job on real data in seconds.  `pegbox tune` tunes your own program.",
)
app.command()(demo.demo)
app.command()(tune.tune)
app.command()(jobs.jobs)
app.command()(jobs.describe)
app.command()(logs.logs)
app.command()(jobs.best)
app.command()(model.model)
app.command()(explain.explain)
app.command()(jobs.stop)
app.command()(deleting.delete)
app.command()(search.search)
app.command()(compare.compare)
app.command()(audit.audit)
app.command()(export.export)
app.command()(server.serve)
app.command()(server.env)
app.command()(server.migrate)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(doctor.doctor)
app.add_typer(tags.app, name="tags")
imports.app.command("sagemaker")(imports_account.import_sagemaker)
app.add_typer(imports.app, name="import")
app.add_typer(admin.app, name="admin")
app.add_typer(keys.app, name="keys")
app.add_typer(images.app, name="image")
app.add_typer(metrics.app, name="metrics")


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Handle options that stand before any command."""
    if show:
        typer.echo(f"pegbox {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; expected faults end with one line and exit code 1."""
    try:
        app()
    except Exception as error:
        fault = told(error)
        if fault is None:
            raise
        sys.exit(f"pegbox: {fault}")
