"""Steps of a training job done again after a crash, with a real store and real processes."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from pegbox.domain.training import Phase
from pegbox.engine.context import Context, attempt_directory
from rows import insert, script_document
from running import wait_for
from turns import Crash, Dying, forget, read, run, run_until_ended


def test_a_program_that_was_started_just_before_a_crash_is_not_started_again(context: Context, tmp_path: Path) -> None:
    gate, starts = tmp_path / "gate", tmp_path / "starts"
    source = (
        "import pathlib, time\n"
        f"open({str(starts)!r}, 'a').write('x')\n"
        "pathlib.Path('mine').write_text('kept')\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "print(pathlib.Path('mine').read_text())\n"
    )
    row = insert(context, script_document(tmp_path, source))
    assert run(context, row.id).phase is Phase.RUNNING
    wait_for("the start", starts.exists)
    forget(context, row.id, started=None, cursor=0)
    assert run(context, row.id).phase is Phase.RUNNING
    gate.touch()
    job = run_until_ended(context, row.id)
    assert (job.status, job.failure) == ("Completed", None)
    assert starts.read_text() == "x"
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    assert (directory / "algo-1.log").read_bytes() == b"kept\n"


def test_nothing_starts_before_it_is_written_down(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "pass"))
    with pytest.raises(Crash):
        run(replace(context, executor=Dying(context.executor, Crash)), row.id)
    job = read(context, row.id)
    assert (job.phase, job.secondary) == (Phase.RUNNING, "Training")
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    assert run_until_ended(context, row.id).status == "Completed"


@pytest.mark.parametrize(("size", "phase"), [(7, Phase.RUNNING), (2 << 20, Phase.PACKING)], ids=["small", "large"])
def test_outputs_are_stored_again_when_the_server_died_over_them(
    context: Context, tmp_path: Path, size: int, phase: Phase
) -> None:
    source = f"import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('w' * {size})"
    row = insert(context, script_document(tmp_path, source))
    kept = context.settings.home.with_name("kept")
    context_that_dies = replace(context, objects=Dying(context.objects, Crash))
    with pytest.raises(Crash):
        run_until_ended(context_that_dies, row.id)
    assert read(context, row.id).phase is phase
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    job = run_until_ended(context, row.id)
    assert job.status == "Completed"
    with tarfile.open(tmp_path / "output" / "job" / "output" / "model.tar.gz") as archive:
        archive.extractall(kept, filter="data")
    assert (kept / "model").read_text() == "w" * size


def test_what_a_dead_server_could_not_remove_is_removed_by_the_next(context: Context, tmp_path: Path) -> None:
    row = insert(context, script_document(tmp_path, "pass"))
    assert run_until_ended(context, row.id).status == "Completed"
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    (directory / "algo-1" / "ml" / "model").mkdir(parents=True)
    (directory / ".spawn.json.12").touch()
    with context.store.transaction() as tx:
        tx.mark_due([row.id])  # as it is when the lease of the one that died runs out
    run(context, row.id)
    assert not (directory / "algo-1" / "ml").exists()
    assert not (directory / ".spawn.json.12").exists()
    assert (directory / "algo-1.log").exists()
