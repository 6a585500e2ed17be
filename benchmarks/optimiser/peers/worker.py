"""The process of a peer: reads requests and writes answers, one JSON line each.

    python worker.py NAME < requests > answers

The first line describes the search, and the answer to it names versions.  Needs nothing but the peer's own packages.  A
module `with_<package>.py` has a class for each peer; the worker calls `ask(number)`, `tell(number, state, value)` and,
where evaluations may be stopped, `observe(number, step, value)`; `learn(number, configuration, value)` tells of what
it was not asked for.  Peers minimise.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
import warnings
from importlib.metadata import PackageNotFoundError, version

#: Peer -> its module, its class, the packages whose versions count.
PEERS = {
    "optuna-tpe": ("with_optuna", "TPE", ("optuna",)),
    "optuna-gp": ("with_optuna", "GP", ("optuna", "torch")),
    "smac": ("with_smac", "Forest", ("smac", "ConfigSpace", "scikit-learn")),
    "smac-gp": ("with_smac", "Process", ("smac", "ConfigSpace", "scikit-learn")),
    "hebo": ("with_hebo", "HEBO", ("HEBO", "torch", "gpytorch", "pymoo")),
    "ax": ("with_ax", "Search", ("ax-platform", "botorch", "gpytorch", "torch")),
    "vizier": ("with_vizier", "Search", ("google-vizier", "jax", "tfp-nightly")),
    "syne-tune": ("with_syne_tune", "Search", ("syne-tune", "botorch", "torch")),
    "hyperopt": ("with_hyperopt", "TPE", ("hyperopt",)),
    "nevergrad": ("with_nevergrad", "NGOpt", ("nevergrad",)),
    "sobol": ("with_scipy", "Sobol", ("scipy",)),
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not get among the answers
    warnings.simplefilter("ignore")
    peer = None
    for line in sys.stdin:
        begun = time.process_time()
        try:
            request = json.loads(line)
            if peer is None:
                module, name, packages = PEERS[sys.argv[1]]
                peer = getattr(importlib.import_module(module), name)(**request)
                answer = {"versions": versions(packages)}
            else:
                answer = served(peer, request)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answer["seconds"] = time.process_time() - begun
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def served(peer, request):
    if "ask" in request:
        return {"configurations": [plain(peer.ask(number)) for number in request["ask"]]}
    if "learn" in request:
        peer.learn(request["learn"], request["configuration"], request["value"])
    elif "observe" in request:
        if hasattr(peer, "observe"):
            peer.observe(request["observe"], request["step"], request["value"])
    else:
        peer.tell(request["tell"], request["state"], request["value"])
    return {}


def plain(configuration):
    """Without NumPy's types."""
    return {name: value.item() if hasattr(value, "item") else value for name, value in configuration.items()}


def versions(packages):
    found = {"python": sys.version.split()[0]}
    for package in (*packages, "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    main()
