"""What is made of a program that has ended: its values, its model, the reason of its failure."""

from __future__ import annotations

import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pegbox.domain.training import Phase
from pegbox.engine.context import Context, attempt_directory
from rows import insert, script_document
from turns import run, run_until_ended


def test_of_very_many_metric_values_some_are_kept_and_the_last_is_known(context: Context, tmp_path: Path) -> None:
    context = replace(context, settings=replace(context.settings, metric_points=1000))
    document = script_document(tmp_path, "for step in range(20_000): print('loss=%d;' % (step % 900))")
    document["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "loss", "Regex": r"loss=(\S+);"}]
    row = insert(context, document)
    job = run(context, row.id)
    while job.phase is not Phase.ENDED:
        job = run(context, row.id)
    assert (job.status, (job.latest or {})["loss"][0]) == ("Completed", 19_999 % 900)
    with context.store.reading() as tx:
        kept = [value for *_, value in tx.curve(row.id, "loss")]
    assert 400 < len(kept) <= 1000
    assert {0.0, 899.0} <= set(kept)


def test_python_is_the_servers_own(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "import sys; print(sys.executable)"))
    assert run_until_ended(context, row.id).status == "Completed"
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert (directory / "algo-1.log").read_text().strip() == sys.executable


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os.kill(os.getpid(), 9)", "AlgorithmError: ended by signal SIGKILL, exit code: 137"),
        ("import os; os._exit(3)", "AlgorithmError: the program said nothing, exit code: 3"),
        ("import sys; sys.exit('no such thing')", "AlgorithmError: no such thing, exit code: 1"),
    ],
)
def test_a_failure_says_what_the_program_said(context: Context, tmp_path: Path, source: str, reason: str) -> None:
    row = insert(context, script_document(tmp_path, source))
    assert run_until_ended(context, row.id).failure == reason


def test_a_long_failure_fits_the_api(context: Context, tmp_path: Path) -> None:
    source = "import os, sys; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('x' * 5000); sys.exit(2)"
    row = insert(context, script_document(tmp_path, source))
    failure = run_until_ended(context, row.id).failure
    assert failure is not None
    assert len(failure) == 1024
    assert failure.endswith("xx, exit code: 2")


def test_links_inside_the_model_are_kept_and_others_left_out(context: Context, tmp_path: Path) -> None:
    source = (
        "import os\n"
        "os.chdir(os.environ['SM_MODEL_DIR'])\n"
        "os.makedirs('deep/er')\n"
        "open('step-1', 'w').write('weights')\n"
        "os.symlink('step-1', 'latest')\n"
        "os.symlink('../../step-1', 'deep/er/latest')\n"
        "os.symlink('deep', 'folder')\n"
        "os.symlink('/etc/passwd', 'absolute')\n"
        "os.symlink('../../../x', 'outside')\n"
        "os.symlink('..', 'parent')\n"
        "os.mkfifo('pipe')\n"
    )
    row = insert(context, script_document(tmp_path, source))
    assert run_until_ended(context, row.id).status == "Completed"
    with tarfile.open(tmp_path / "output" / "job" / "output" / "model.tar.gz") as archive:
        found = {member.name: member.linkname for member in archive}
        archive.extractall(tmp_path / "kept", filter="data")
    assert found == {"step-1": "", "latest": "step-1", "deep/er/latest": "../../step-1", "folder": "deep"}
    assert (tmp_path / "kept" / "deep" / "er" / "latest").read_text() == "weights"
