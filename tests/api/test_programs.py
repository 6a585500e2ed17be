"""Programs that cannot be executed fail with a reason that says what is wrong."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from jobs import new_name, pegbox, training_ended
from pegbox.testing.requests import training_request
from running import RunningServer

FOREIGN = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00\x01\x00\x00\x00" + bytes(200)  #: for another machine


def executable(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def test_programs_that_cannot_be_executed(server: RunningServer, sagemaker: Any, here: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain.sh").write_text("#!/bin/sh\n")
    busy = executable(tmp_path / "busy", Path(shutil.which("true") or "/bin/true").read_bytes())
    lost = executable(tmp_path / "lost.sh", b"#!/no/such/shell\n")
    gone = executable(tmp_path / "python", Path(sys.executable).read_bytes())
    cases = {
        str(tmp_path / "folder"): "it is a directory",
        str(tmp_path / "plain.sh"): "Permission denied",
        str(lost): "the interpreter that its first line names is not there",
        str(executable(tmp_path / "foreign", FOREIGN)): "Exec format error",
        str(executable(tmp_path / "empty", b"")): "Exec format error",
        str(busy): "Text file busy",
        str(gone): "No such file or directory",
    }
    jobs = {}
    for program, reason in cases.items():
        image, name = new_name("image"), new_name()
        pegbox(server, "image", "add", image, "--command", program, "--workdir", str(tmp_path))
        jobs[name] = (training_request(name, image, f"{here}/out"), f"ClientError: cannot run {program!r}: {reason}")
    gone.unlink()
    with busy.open("ab"):
        for request, _ in jobs.values():
            sagemaker.create_training_job(**request)
        for name, (_, reason) in jobs.items():
            assert training_ended(sagemaker, name)["FailureReason"].startswith(reason)


def test_a_working_directory_that_is_gone(server: RunningServer, sagemaker: Any, here: str, tmp_path: Path) -> None:
    folder, image, name = tmp_path / "gone", new_name("image"), new_name()
    folder.mkdir()
    pegbox(server, "image", "add", image, "--command", "python train.py", "--workdir", str(folder))
    folder.rmdir()
    sagemaker.create_training_job(**training_request(name, image, f"{here}/out"))
    job = training_ended(sagemaker, name)
    assert job["FailureReason"] == f"ClientError: cannot use the working directory {folder}: No such file or directory"
