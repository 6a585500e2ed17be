"""A power cut before a program starts, or after it has ended: the kernel may not have written its files."""

from __future__ import annotations

import re
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

import rows
from pegbox.domain.training import Phase
from pegbox.engine.context import Context, attempt_directory
from pegbox.executors.directory import lock_holder
from rows import channel_of, insert, script_document
from running import wait_for
from turns import Crash, Dying, forget, run_until_ended

HOST = "here"
EARLIER = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(("size", "phase"), [(7, Phase.RUNNING), (2 << 20, Phase.PACKING)], ids=["small", "large"])
def test_a_model_that_may_not_be_whole_is_not_stored(context: Context, tmp_path: Path, size: int, phase: Phase) -> None:
    source = f"import os; open(os.environ['SM_MODEL_DIR'] + '/model', 'w').write('w' * {size}); print('done')"
    row = insert(context, script_document(tmp_path, source))
    with pytest.raises(Crash):
        run_until_ended(replace(context, objects=Dying(context.objects, Crash)), row.id)
    assert rows.read(context, row.id)[1].phase is phase
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    wait_for("the runner's end", lambda: lock_holder(directory) is None)
    for path in directory.glob("*.json"):
        path.write_text(re.sub(r'"boot_id": "[^"]*"', f'"boot_id": "{EARLIER}"', path.read_text()))
    (directory / "algo-1" / "ml" / "model" / "model").write_bytes(b"")
    (directory / "algo-1.log").write_bytes(b"")
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    job = run_until_ended(context, row.id)
    assert (job.status, job.attempt, job.rerun) == ("Completed", 2, True)
    assert (directory.with_name("2") / "algo-1.log").read_bytes() == b"done\n"
    with tarfile.open(tmp_path / "output" / "job" / "output" / "model.tar.gz") as archive:
        assert archive.getmember("model").size == size


@pytest.mark.parametrize("phase", [Phase.STAGING, Phase.RUNNING])
def test_inputs_that_may_not_be_whole_are_brought_again(context: Context, tmp_path: Path, phase: Phase) -> None:
    """They lie where the program is to find them, but it has not been started."""
    source = "import os; print(open(os.environ['SM_CHANNEL_TRAIN'] + '/file').read())"
    row = insert(context, script_document(tmp_path, source, InputDataConfig=[channel_of(tmp_path)]))
    with pytest.raises(Crash):
        run_until_ended(replace(context, executor=Dying(context.executor, Crash)), row.id)
    directory = attempt_directory(str(context.settings.home), row.id, 1)
    (directory / "algo-1" / "ml" / "input" / "data" / "train" / "file").write_bytes(b"")
    forget(context, row.id, phase=phase, boot=EARLIER)
    with context.store.reading() as tx:
        context.store.release(tx.by_id(row.id), 0)
    job = run_until_ended(context, row.id)
    assert (job.status, job.attempt, job.rerun) == ("Completed", 2, True)
    assert (directory.with_name("2") / "algo-1.log").read_bytes() == b"1\n\n"
