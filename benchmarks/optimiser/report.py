"""Print the results of a setting, or write them as tables and pictures."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .records import versions_of
from .reference import references
from .results import ALL, Results, Row, load

WRITTEN = Path(__file__).parents[1] / "results" / "optimiser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to report."""

    setting: str
    tasks: Sequence[str]
    methods: Sequence[str]  #: names or patterns
    ours: str  #: with which the others are compared
    slow: Sequence[str] = ()  #: methods that have run less than the others
    at: Sequence[int]  #: numbers of evaluations
    each: bool = False  #: every task, not only families
    write: bool = False


def report(runs: Path, wanted: Wanted) -> None:
    """Print tables; `write` also puts them, and pictures, among the committed results."""
    found = load(runs, wanted.setting, wanted.tasks, wanted.methods)
    if not found:
        sys.exit(f"nothing has been run in the setting {wanted.setting}")
    results = Results(found, references(), wanted.ours, wanted.slow)
    if not results.tasks:
        sys.exit("there is no search that all of these methods have made; choose some with --method")
    at = [count for count in wanted.at if count <= results.budget]
    families = [*results.families, *(results.tasks if wanted.each else ())]
    _print_regrets(results, at, families)
    _print_pairs(results, at)
    _print_convergence(results)
    _print_latency(results)
    if wanted.write:
        _write(results, at, families, WRITTEN / wanted.setting, runs)


def _print_regrets(results: Results, at: Sequence[int], families: Sequence[str]) -> None:
    print("Normalised regret, mean and 95 % interval; lower is better")
    before = None
    for row in results.regret_rows(at, families):
        if before != (before := (row["tasks"], row["evaluations"])):
            tasks = results.families.get(row["tasks"], [row["tasks"]])
            searches = sum(len(next(iter(results.regrets.values()))[task]) for task in tasks)
            print(f"\n {row['tasks']}, {row['evaluations']} evaluations: {len(tasks)} tasks, {searches} searches")
        print(f"  {row['method']:34} {row['regret']:.3f} [{row['low']:.3f}, {row['high']:.3f}]")


def _print_pairs(results: Results, at: Sequence[int]) -> None:
    rows = [row for row in results.pair_rows(at) if row["tasks"] == ALL]
    if rows:
        print(f"\nProbability that {results.ours} has less regret than another method, with 95 % interval")
    for row in sorted(rows, key=lambda row: (row["other"], row["evaluations"])):
        interval = f"[{row['low']:.2f}, {row['high']:.2f}]"
        regrets = f"regret {row['regret']:.3f} and {row['other_regret']:.3f}, {row['searches']} searches"
        print(f"  {row['other']:34} {row['evaluations']:5} evaluations: {row['probability']:.2f} {interval}  {regrets}")


def _print_convergence(results: Results) -> None:
    rows = list(results.convergence_rows())
    ended = [row for row in rows if row["converged"]]
    if ended:
        count, there, at_end = (
            np.mean([row[name] for row in ended]) for name in ("converged", "regret", "regret_at_end")
        )
        print(f"\n{len(ended)} of {len(rows)} searches of {results.ours} would have ended by convergence,")
        print(
            f"  after {count:.0f} evaluations in the mean, with a regret of {there:.3f}; all evaluations: {at_end:.3f}"
        )


def _print_latency(results: Results) -> None:
    print("\nCPU milliseconds of an ask, median and 95th percentile, by the number of observations up to")
    for row in results.latency_rows():
        milliseconds = f"{1e3 * row['median']:9.1f} {1e3 * row['p95']:9.1f}"
        print(f"  {row['method']:34} {row['observations']:5}: {milliseconds}")


def _write(results: Results, at: Sequence[int], families: Sequence[str], folder: Path, runs: Path) -> None:
    from .pictures import draw

    write_rows(folder / "regret.csv", results.regret_rows(at, families))
    write_rows(folder / "pairs.csv", results.pair_rows(at))
    write_rows(folder / "latency.csv", results.latency_rows())
    if convergence := list(results.convergence_rows()):
        write_rows(folder / "convergence.csv", convergence)
    write_rows(folder / "searches.csv", results.search_rows(at))
    now = {name: next(iter(of_method)).method for name, of_method in results.searches.items()}
    versions = {name: versions_of(runs, method) for name, method in sorted(now.items())}
    (folder / "versions.json").write_text(json.dumps(versions, indent=1) + "\n")
    draw(results, folder)
    print(f"\nwritten into {folder}")


def show_latencies(rows: Iterable[Row], write: bool) -> None:
    """Print the CPU time of asks as it is measured; `write` keeps it among the committed results."""
    print("CPU milliseconds: the median ask, the 95th percentile, the first one")
    kept = []
    for row in rows:
        kept.append(row)
        figures = " ".join(f"{1e3 * row[name]:9.1f}" for name in ("median", "p95", "first"))
        print(f"  {row['method']:34} {row['observations']:5}: {figures}", flush=True)
    if write:
        write_rows(WRITTEN / "latency.csv", kept)


def write_rows(file: Path, rows: Iterable[Row]) -> None:
    """A CSV file with four digits of every number."""
    listed = [{name: f"{v:.4g}" if isinstance(v, float) else v for name, v in row.items()} for row in rows]
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(listed[0]) if listed else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)
