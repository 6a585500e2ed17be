"""pegbox image add | list | remove."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pegbox.cli.options import Home
from pegbox.cli.output import refuse
from pegbox.counts import counted
from pegbox.settings import Settings, load

if TYPE_CHECKING:
    from pegbox.store.image import Image

READ_ONLY = ":ro"
#: the root, and what each cell has of its own: not shown, whatever an image binds
NOTHING = ((), ("proc",), ("sys",), ("dev",))
LONGEST_NAME = 255  #: characters (SageMaker API reference, AlgorithmSpecification: TrainingImage)

app = typer.Typer(no_args_is_help=True, help="What a training image name means on a machine without containers.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The TrainingImage of requests, letter by letter.")],
    command: Annotated[str | None, typer.Option(help='What it runs, for example "python train.py".')] = None,
    arguments: Annotated[
        str | None,
        typer.Option(
            help='What follows the command, for example "--lr {lr}": the value of the hyperparameter lr. '
            'A word "{fast?--fast}" is --fast if fast is true, and no word otherwise.'
        ),
    ] = None,
    workdir: Annotated[Path | None, typer.Option(help="Where it runs.", show_default="the present directory")] = None,
    env: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, added to the environment; may be repeated.")] = None,
    bind: Annotated[
        list[str] | None,
        typer.Option(
            help="PATH or PATH:ro, a further folder or file that its programs may see; may be repeated.",
            metavar="PATH[:ro]",
        ),
    ] = None,
    python: Annotated[
        str | None, typer.Option(help="Python for `python` in the command, and for scripts that jobs bring.")
    ] = None,
    home: Home = None,
) -> None:
    """Say what an image runs.  The program finds data, hyperparameters and the place for its model in SM_* variables.

    Example:  pegbox image add my-image --command "python train.py"
    """
    from pegbox.store.image import Image

    words = _words("--command", command or "")
    if not words and (command or not python):
        raise typer.BadParameter("give --command, or --python for an image that runs the scripts of its jobs")
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise typer.BadParameter(f"{name[:300]!r} is no TrainingImage: give 1 to {LONGEST_NAME} printable characters")
    if arguments and not command:
        raise typer.BadParameter("--arguments follow a --command: scripts of jobs get all hyperparameters anyway")
    image = Image(
        name=name,
        command=words,
        arguments=_words("--arguments", arguments or ""),
        workdir=str((workdir or Path.cwd()).resolve()),
        environment=dict(_pair(item) for item in env or []),
        python=python,
        binds=[_bind(text) for text in bind or []],
        created_at=time.time(),
    )
    for doubt in register(image, load({"home": home}), workdir or Path.cwd()):
        typer.echo(f"{name} is registered, but {doubt}.", err=True)


def register(image: Image, settings: Settings, workdir: Path) -> list[str]:
    """Say in the home's database what an image runs; returns what may go wrong with it."""
    from pegbox.home import open_store

    store = open_store(settings)
    store.images.put(image)
    store.close()
    missing = _missing(workdir, image.python, image.command)
    return [*(f"{each}: its jobs will fail until it is there" for each in missing), *_doubts(image, settings.home)]


@app.command("list")
def list_images(
    every: Annotated[bool, typer.Option("--all", help="Also what `pegbox tune` has registered before.")] = False,
    home: Home = None,
) -> None:
    """List the registered images; of those that `pegbox tune` makes of a file's program the youngest only."""
    from pegbox.home import open_store

    store = open_store(load({"home": home}), make=False)
    found = store.images.all()
    shown = found if every else _youngest(found)
    for image in shown:
        runs = shlex.join([*image.command, *image.arguments]) or "the job's own script"
        typer.echo(f"{image.name}  runs  {runs}  in {image.workdir}{''.join(_rest(image))}")
    store.close()
    if len(shown) < len(found):
        typer.echo(f"{counted(len(found) - len(shown), 'older one')} of pegbox tune: --all", err=True)


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The image's name.")], home: Home = None) -> None:
    """Forget an image."""
    from pegbox.home import open_store

    store = open_store(load({"home": home}), make=False)
    removed = store.images.remove(name)
    store.close()
    if not removed:
        raise refuse(f"there is no image {name}: `pegbox image list` shows those there are")


def _youngest(images: Sequence[Image]) -> Sequence[Image]:
    """Without those of `pegbox tune` for which there is a younger one of the same file."""
    latest: dict[tuple[str, str | None], Image] = {}
    for image in images:
        place = (_stem(image) or "", image.workdir)
        if place[0] and (place not in latest or latest[place].created_at < image.created_at):
            latest[place] = image
    return [image for image in images if _stem(image) is None or image in latest.values()]


def _stem(image: Image) -> str | None:
    """The name of the file that `pegbox tune` made an image of; None for one that somebody has named."""
    from pegbox.client.wanted import Program

    stem, _, digest = image.name.rpartition("-")
    program = Program(
        command=image.command,
        arguments=image.arguments,
        workdir=image.workdir or "",
        environment=image.environment,
        python=image.python,
        binds=image.binds,
    )
    return stem if stem and digest and program.image_name(stem) == image.name else None


def _missing(workdir: Path, python: str | None, command: Sequence[str]) -> Iterator[str]:
    from pegbox.client.presence import is_program

    if not workdir.is_dir():
        yield f"--workdir {workdir} is no directory"
    if python and not is_program(python, workdir):
        yield f"--python {python} is no program that can be run"
    if command and command[0] not in ("python", "python3") and not is_program(command[0], workdir):
        yield f"{command[0]}, with which --command begins, is no program that can be run"


def _doubts(image: Image, home: Path) -> Iterator[str]:
    for text in image.binds:
        path = Path(text.removesuffix(READ_ONLY))
        if not path.exists():
            yield f"--bind {path} is not there: its jobs will run without it"
        elif path.resolve().parts[1:2] in NOTHING:
            yield f"--bind {path} shows nothing: name folders of data below it"
        elif home.is_relative_to(path.resolve()):
            yield f"{path}, which it may see, contains the server's home, which stays hidden"
        elif path.resolve().is_relative_to(home):
            yield f"--bind {path} lies in the server's home, which stays hidden: its jobs will run without it"
    if image.workdir and home.is_relative_to(image.workdir):
        where = f"{image.workdir}, where it runs,"
        yield f"{where} contains the server's home, which stays hidden: better keep the two apart"


def _rest(image: Image) -> Iterator[str]:
    if image.python:
        yield f"  with {image.python}"
    yield from (f"  and sees {text}" for text in image.binds)


def _bind(text: str) -> str:
    """With an absolute path."""
    path = text.removesuffix(READ_ONLY)
    if not path:
        raise typer.BadParameter(f"--bind {text!r} is not of the form PATH or PATH:ro")
    absolute = Path(os.path.expanduser(path)).absolute()  # as a shell: nobody's home is no fault
    return f"{absolute}{READ_ONLY if path != text else ''}"


def _words(option: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text!r} can't be read as a command line: {error}") from None


def _pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"--env {item!r} is not of the form KEY=VALUE")
    return name, value
