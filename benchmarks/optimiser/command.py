"""The command line of the benchmark."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import platformdirs

from .environments import install
from .latency import latencies
from .methods.method import Setting
from .methods.parents import KINDS
from .methods.registry import OURS, PEERS, Chosen, ours, peer, variant, warm
from .methods.variants import VARIANTS
from .reference import estimate_all, references
from .report import Wanted, report, show_latencies
from .runs import Places, plan, run_all
from .tasks.catalogue import catalogue

#: A task of each kind: a look at all of them in a minute or two.
QUICK = ("lcbench-3945", "lcbench-167083", "glmnet-40981", "hartmann6", "ackley12-mixed", "levy8-mixed-failing")
CACHE = Path(platformdirs.user_cache_dir("pegbox-benchmarks"))


def main() -> None:
    chosen = _parser().parse_args()
    if chosen.command == "tasks":
        for name, make in catalogue(chosen.bench, chosen.cache).items():
            print(f"{name:26} {make().family}")
    elif chosen.command == "install":
        if unknown := set(chosen.peer) - PEERS.keys():
            sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
        install(sorted({PEERS[name] for name in chosen.peer or PEERS}), chosen.cache)
    elif chosen.command == "run":
        setting = Setting(budget=chosen.budget, workers=chosen.workers, early=chosen.early)
        searches = plan(
            _tasks(chosen), _methods(chosen), setting, range(chosen.first_seed, chosen.first_seed + chosen.seeds)
        )
        run_all(searches, _places(chosen), chosen.processes)
    elif chosen.command == "latency":
        show_latencies(latencies(_methods(chosen), chosen.observations, chosen.asks), chosen.write)
    elif chosen.command == "reference":
        estimate_all(_tasks(chosen), _places(chosen))
    else:
        wanted = Wanted(
            setting=chosen.setting,
            tasks=_tasks(chosen, references()),
            methods=chosen.method or ["*"],
            ours=chosen.ours,
            slow=chosen.slow,
            at=chosen.at,
            each=chosen.each,
            write=chosen.write,
        )
        report(_places(chosen).runs, wanted)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimiser")
    commands = parser.add_subparsers(dest="command", required=True)
    places = argparse.ArgumentParser(add_help=False)
    places.add_argument("--bench", type=Path, help="folder of the surrogates; without it their tasks are left out")
    places.add_argument("--cache", type=Path, default=CACHE, help="for results of trainings and environments")
    places.add_argument("--runs", type=Path, help="results; by default `runs` in the cache")
    tasks = argparse.ArgumentParser(add_help=False)
    tasks.add_argument("--task", action="append", help="name or pattern, such as 'lcbench-*'; repeatable")
    tasks.add_argument("--quick", action="store_true", help=f"the tasks {', '.join(QUICK)}")
    commands.add_parser("tasks", parents=[places], help="list the tasks")
    commands.add_parser("reference", parents=[places, tasks], help="estimate the best values anew")
    installed = commands.add_parser("install", parents=[places], help="make the environments of other optimisers")
    installed.add_argument("peer", nargs="*", help=f"{', '.join(PEERS)}; all by default")
    run = commands.add_parser("run", parents=[places, tasks], help="run the searches that are missing")
    _add_methods(run)
    run.add_argument("--parent", nargs="*", choices=KINDS, default=[], help="Bayesian, warm started by such a parent")
    run.add_argument("--seeds", type=int, default=20)
    run.add_argument("--first-seed", type=int, default=0)
    run.add_argument("--budget", type=int, default=100, help="evaluations of a search")
    run.add_argument("--workers", type=int, default=1, help="evaluations at once, on a virtual clock")
    run.add_argument("--early", action="store_true", help="stop evaluations early; tasks with learning curves only")
    run.add_argument("--processes", type=int, default=2)
    timed = commands.add_parser("latency", parents=[places], help="CPU time of asks after many evaluations")
    _add_methods(timed)
    timed.add_argument("--observations", type=int, nargs="+", default=[50, 200, 1000, 2000])
    timed.add_argument("--asks", type=int, default=20)
    timed.add_argument("--write", action="store_true", help="into benchmarks/results/optimiser")
    shown = commands.add_parser("report", parents=[places, tasks], help="compare what has been run")
    shown.add_argument("--setting", default="w1-n100", help="as the folders of results are called")
    shown.add_argument("--method", action="append", help="name or pattern; all by default; repeatable")
    shown.add_argument("--ours", default="Bayesian", help="what the others are compared with; by default %(default)s")
    shown.add_argument("--slow", action="append", default=[], help="one that has run less: only in pairs; repeatable")
    shown.add_argument("--at", type=int, nargs="+", default=[25, 50, 100], help="evaluations")
    shown.add_argument("--each", action="store_true", help="every task, not only families")
    shown.add_argument("--write", action="store_true", help="as tables and pictures, into benchmarks/results/optimiser")
    return parser


def _add_methods(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--method", action="append", choices=[*OURS, *PEERS], help="all by default; repeatable")
    parser.add_argument("--variant", nargs="*", choices=["all", *VARIANTS], default=[], help="of Bayesian")
    parser.add_argument("--set", action="append", default=[], metavar="MODULE:NAME=JSON", help="change Bayesian")


def _places(chosen: argparse.Namespace) -> Places:
    return Places(bench=chosen.bench, cache=chosen.cache, runs=chosen.runs or chosen.cache / "runs")


def _tasks(chosen: argparse.Namespace, every: Iterable[str] | None = None) -> list[str]:
    every = every or catalogue(chosen.bench, chosen.cache)
    patterns = [*(chosen.task or ()), *(QUICK if chosen.quick else ())] or ["*"]
    found = [name for name in every if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if getattr(chosen, "early", False):
        found = [name for name in found if name.startswith("lcbench") and not name.endswith("-failing")]
    return found or sys.exit("no task is called so")


def _methods(chosen: argparse.Namespace) -> Sequence[Chosen]:
    changes = dict(change.split("=", 1) for change in chosen.set)
    special = [variant(name) for name in (VARIANTS if "all" in chosen.variant else chosen.variant)]
    if changes:
        special.append(ours("Bayesian", {place: json.loads(value) for place, value in changes.items()}))
    special += [warm(kind, chosen.bench, chosen.cache) for kind in getattr(chosen, "parent", ())]
    names = chosen.method or ([] if special else [*OURS, *PEERS])
    found = [ours(name) for name in names if name in OURS]
    for name in names:
        if name in PEERS:
            other = peer(name, chosen.cache)
            found += [other] if other else []
            if not other:
                print(f"{name} is left out: python -m benchmarks.optimiser install {name}")
    return [*found, *special]
