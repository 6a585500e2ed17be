"""pegbox doctor."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from pegbox.announcement import address
from pegbox.cli.options import Home
from pegbox.counts import counted
from pegbox.settings import load

STALE = 3600.0


def doctor(
    home: Home = None,
    repair: Annotated[bool, typer.Option("--repair", help="Mend what can be mended, and say how.")] = False,
    deep: Annotated[bool, typer.Option("--deep", help="Read every object and compare its digest.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    stale: Annotated[
        float, typer.Option(help="Seconds after which a content file that belongs to no object is a leftover.")
    ] = STALE,
) -> None:
    """Look for faults: settings, files, database, objects, training processes, images.

    The server may run meanwhile.  Exit code 0 when nothing is wrong, or all was repaired; 1 when something is.
    """
    from pegbox.maintenance.doctor.examination import examine, old, patient

    settings = load({"home": home})
    served = address(settings) is not None
    found: list[dict[str, Any]] = []
    with patient(settings, served=served, deep=deep, clock=time.time, stale=stale) as examined:
        for finding in examine(examined):
            done, failed = _mend(finding.repair) if repair and finding.repair else (None, None)
            told = {"kind": finding.kind, "about": finding.about, "message": finding.message}
            found.append({**told, "repairable": finding.repair is not None, "repaired": done, "failed": failed})
            if not as_json:
                _print(found[-1])
        outdated = old(examined)
    healthy = all(each["repaired"] for each in found)
    if as_json:
        typer.echo(json.dumps({"healthy": healthy, "findings": found, "old": outdated}, indent=2))
    else:
        for what, jobs in outdated.items():
            typer.echo(
                f"The next daily sweep will remove the {what} of {counted(jobs, 'training job')}, as the settings say."
            )
        if not found:
            typer.echo("Nothing is wrong.")
    if not healthy:
        raise typer.Exit(1)


def _mend(repair: Callable[[], str]) -> tuple[str | None, str | None]:
    """What was done, or why it could not be."""
    from pegbox.maintenance.doctor.finding import NotRepaired

    try:
        return repair(), None
    except (NotRepaired, OSError) as error:
        return None, str(error)


def _print(finding: dict[str, Any]) -> None:
    end = " (--repair)" if finding["repairable"] else ""
    for what in ("repaired", "failed"):
        if finding[what]:
            end = f"; {what}: {finding[what]}"
    typer.echo(f"{finding['kind']}: {finding['about']}: {finding['message']}{end}")
