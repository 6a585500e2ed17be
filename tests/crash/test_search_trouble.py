"""The server's own processes, which propose and start, are stopped: searches go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs import children, new_name, register, tuning_ended
from pegbox.testing.requests import tuning_request
from running import RunningServer, wait_for

PROGRAM = """
    import os
    print(f"loss={os.environ['TRAINING_JOB_NAME'][-1:].encode()[0]};")
"""


@pytest.fixture
def own(start_server: Callable[..., RunningServer]) -> Iterator[RunningServer]:
    server = start_server(environment={"PEGBOX_TICK": "0.2", "PEGBOX_PROPOSE_TIMEOUT": "2"})
    yield server
    server.kill()


def process(server: RunningServer, module: str) -> int | None:
    """The pid of the server's child that runs a module."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == server.process.pid and module.encode() in (folder / "cmdline").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    return None


def test_a_search_goes_on(own: RunningServer, tmp_path: Path) -> None:
    request = tuning_request(new_name(), register(own, tmp_path, PROGRAM), f"file://{tmp_path}/out", jobs=16, at_once=2)
    request["HyperParameterTuningJobConfig"]["Strategy"] = "Bayesian"
    name = request["HyperParameterTuningJobName"]
    sagemaker = own.client("sagemaker")
    sagemaker.create_hyper_parameter_tuning_job(**request)
    for launched, module in ((4, "pegbox.engine.proposer"), (8, "pegbox.runner.zygote")):
        wait_for("some jobs", lambda launched=launched: len(children(sagemaker, name)) >= launched)
        os.kill(wait_for("the process", lambda module=module: process(own, module)), signal.SIGSTOP)
    found = tuning_ended(sagemaker, name)
    assert found["HyperParameterTuningJobStatus"] == "Completed"
    assert found["TrainingJobStatusCounters"]["Completed"] == 16
    assert len(children(sagemaker, name)) == 16
    assert "no answer within 2 s" in own.log.read_text()
