from __future__ import annotations

import ipaddress
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pegbox.runner import layout
from runs import a_job


def test_hosts_are_sorted_as_text_and_have_addresses_of_their_own(tmp_path: Path) -> None:
    job = a_job(tmp_path, instance_count=300)
    found = layout.addresses(job)
    assert list(found)[:2] == ["algo-1", "algo-2"]
    assert len(set(found.values())) == 300
    assert all(ipaddress.ip_address(address).is_loopback for address in found.values())
    assert not set(found.values()) & set(layout.addresses(a_job(tmp_path / "another")).values())
    assert layout.resources(job, "algo-2")["hosts"][:3] == ["algo-1", "algo-10", "algo-100"]


@pytest.mark.parametrize(
    ("local", "place"),
    [
        (None, "checkpoints"),
        ("/opt/ml/checkpoints", "checkpoints"),
        ("/opt/ml/mine/deep", "mine/deep"),
        ("/opt/ml/../../etc", "checkpoints"),
        ("/etc", "checkpoints"),
        ("/opt/ml", "checkpoints"),
        ("relative/../..", "checkpoints"),
    ],
)
def test_checkpoints_stay_in_the_tree(tmp_path: Path, local: str | None, place: str) -> None:
    assert layout.checkpoint_directory(a_job(tmp_path, checkpoint_path=local), tmp_path) == tmp_path / place


@pytest.mark.parametrize(
    ("workdir", "place"),
    [(None, "algo-1"), ("code", "algo-1/ml/code"), ("/opt/ml/code", "algo-1/ml/code"), ("/srv/mine", "/srv/mine")],
)
def test_work_directories(tmp_path: Path, workdir: str | None, place: str) -> None:
    program = {"argv": ["true"], "module": None, "workdir": workdir, "environment": {}}
    assert layout.workdir(a_job(tmp_path, program=program), "algo-1") == tmp_path / place


def test_arguments_are_those_of_the_training_toolkit() -> None:
    values = {"epochs": 3, "b": "x", "flags": {"k": 1, "a": 2}, "none": None, "deep": True}
    expected = ["-b", "x", "--deep", "True", "--epochs", "3", "--flags", "a=2,k=1", "--none", ""]
    assert layout.arguments(values) == expected


def test_the_request_wins_over_the_image_and_the_image_over_the_server(tmp_path: Path) -> None:
    program = {"argv": ["true"], "module": None, "workdir": None, "environment": {"A": "image", "B": "image"}}
    job = a_job(tmp_path, program=program, inherited={"A": "server", "C": "server"}, environment={"A": "request"})
    found = layout.environment(job, {})
    assert (found["A"], found["B"], found["C"]) == ("request", "image", "server")


def test_variables_that_execve_refuses_are_left_out(tmp_path: Path) -> None:
    longest = "x" * (layout.LONGEST_VARIABLE - len("FITS") - 2)
    environment = {"FITS": longest, "LONG": longest + "xx", "A=B": "1", "NUL": "a\0b", "": "1"}
    found = layout.environment(a_job(tmp_path, environment=environment), {})
    assert "FITS" in found
    assert not {"LONG", "A=B", "NUL", ""} & set(found)
    subprocess.run(["/bin/true"], env=found, check=True)


def test_the_tail_of_a_long_log_begins_with_a_whole_line(tmp_path: Path) -> None:
    (tmp_path / "algo-1.log").write_bytes(b"first\n" + b"middle\n" * 2000 + b"last\n\n")
    text = layout.failure_text(a_job(tmp_path), "algo-1", 100)
    assert text.startswith("middle\n")
    assert text.endswith("\nlast")
    assert 90 < len(text) <= 100


ISOLATE = f"""
import os, sys
sys.path.insert(0, {str(Path(layout.__file__).parents[2])!r})
from pathlib import Path
from pegbox.runner import isolate
place = Path(sys.argv[1])
if sys.argv[2] == "user" and os.geteuid() == 0:
    os.chdir("/")
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    isolate._prctl(4, 1)  # PR_SET_DUMPABLE: /proc/self is ours again
notes = isolate.isolate(place / "hosts", place / "ml", place / "shadow")
print(notes)
assert ("algo-1" in Path("/etc/hosts").read_text()) != any("/etc/hosts" in note for note in notes)
assert Path("/opt/ml/mark").exists() != any("/opt/ml" in note for note in notes)
"""


@pytest.mark.parametrize("who", ["root", "user"])
def test_an_instance_sees_its_peers_and_its_tree_or_a_note_says_no(who: str) -> None:
    """As whoever runs the tests, and as an ordinary user with or without user namespaces."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o777)
        (place / "hosts").write_text("127.9.9.9 algo-1\n")
        (place / "ml").mkdir()
        (place / "ml/mark").touch()
        subprocess.run([sys.executable, "-c", ISOLATE, name, who], check=True)
    assert "algo-1" not in Path("/etc/hosts").read_text()
    assert not Path("/opt/ml/mark").exists()
