"""pegbox tags list | add | remove."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pegbox.cli.asking import sagemaker_of
from pegbox.cli.options import Home, Json
from pegbox.cli.output import document, table, tell
from pegbox.counts import counted

app = typer.Typer(no_args_is_help=True, help="Tags, by which jobs and everything else can be found.")

Name = Annotated[str, typer.Argument(help="A tuning job or a training job, or the ARN of anything.")]


@app.command("list")
def list_tags(name: Name, as_json: Json = False, home: Home = None) -> None:
    """List the tags of a resource."""
    from rich.console import Console

    from pegbox.client import finding

    sagemaker = sagemaker_of(home)
    found = finding.tags(sagemaker, _arn(sagemaker, name))
    if as_json:
        document(found)
    elif found:
        table(Console(), ("KEY", "VALUE"), [(tag["Key"], tag["Value"]) for tag in found], least=2)
    else:
        tell(f"{name} has no tags")


@app.command()
def add(
    name: Name,
    tags: Annotated[list[str], typer.Argument(help="KEY=VALUE, one or several; a key that is there gets a new value.")],
    home: Home = None,
) -> None:
    """Add tags to a resource.

    Those of a tuning job are on the training jobs that it launches from then on.
    """
    pairs = [_pair(text) for text in tags]
    sagemaker = sagemaker_of(home)
    answer = sagemaker.add_tags(ResourceArn=_arn(sagemaker, name), Tags=pairs)
    tell(f"{name} has {counted(len(answer['Tags']), 'tag')}")


@app.command()
def remove(
    name: Name, keys: Annotated[list[str], typer.Argument(help="Keys, one or several.")], home: Home = None
) -> None:
    """Remove tags from a resource; keys that it does not have are no fault."""
    from pegbox.client import finding

    sagemaker = sagemaker_of(home)
    arn = _arn(sagemaker, name)
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=keys)
    tell(f"{name} has {counted(len(finding.tags(sagemaker, arn)), 'tag')}")


def _arn(sagemaker: Any, name: str) -> str:
    from pegbox.client.finding import find

    if name.startswith("arn:"):
        return name
    found = find(sagemaker, name)
    return str(found.answer["HyperParameterTuningJobArn" if found.is_tuning else "TrainingJobArn"])


def _pair(text: str) -> dict[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise typer.BadParameter(f"{text!r} is no tag: write KEY=VALUE")
    return {"Key": key, "Value": value}
