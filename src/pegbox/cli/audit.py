"""pegbox audit."""

from __future__ import annotations

from typing import Annotated

import typer

from pegbox.cli.asking import connected
from pegbox.cli.options import Home
from pegbox.cli.output import document, lines, table, tell
from pegbox.cli.tables import Form, Printed, Shown, write

#: by answer; what goes wrong otherwise has 1 and 2
EXITS = {"Used": 0, "NotUsed": 3, "ParentPrefix": 4, "OtherVersion": 5, "NoSuchBucket": 6}


def audit(
    s3uri: Annotated[str, typer.Argument(help="An object, a folder or a bucket: s3://bucket/key or file:///path.")],
    etag: Annotated[str | None, typer.Option(help="Ask for this version of the objects only.")] = None,
    form: Shown = Printed.TABLE,
    most: Annotated[
        int | None,
        typer.Option(min=1, help="Readings to list, the newest first.", show_default="50 in a table, else all"),
    ] = None,
    home: Home = None,
) -> None:
    """Say which training jobs have read an object, or what lies in a folder, in which version; also jobs that are gone.

    Exit code 0 if it was used, 3 if not, 4 if only a place that it belongs to was, 5 if only another version was, 6 if
    not and there is no such bucket.
    """
    from rich.console import Console

    from pegbox.client import auditing

    shown = most or (50 if form is Printed.TABLE else None)
    found = auditing.ask(connected(home).client("pegbox"), s3uri, etag, shown)
    if form is Printed.JSON:
        document(found.document())
    elif form is Printed.CSV:
        write(found.columns(), Form.CSV, None, "readings")
    else:
        console = Console()
        lines(console, [found.meaning])
        if found.readers:
            lines(console, [""])
            head = ("TRAINING JOB", "READ", "CHANNEL", "FROM", "VERSION", "NOTE")
            table(console, head, list(found.lines()), least=4)
    if found.has_more:
        tell(f"there are more readings: --most {2 * len(found.readers)}")
    if found.is_cut:
        tell("of some datasets only the first objects are told: ask for a place within")
    raise typer.Exit(EXITS[found.answer])
