"""What uses too much is ended with a reason in plain words: by the kernel where it helps, by the runner where not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pegbox.engine.removal import remove
from pegbox.executors import directory as files
from pegbox.executors.base import Cause, Limits, Program
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.runner import cgroups, disk, limits
from pegbox.runner.meter import Meter
from pegbox.testing.attempts import Watch, an_attempt, log_of
from places import Place

MIB = 1 << 20

#: Fills memory by more than a tenth of a second's worth at a time, and lives on: someone must end it.
HUNGRY = "exec perl -e 'for (1 .. 40) { push @x, \"x\" x (5 << 20); select undef, undef, undef, 0.02 } sleep 99'"
#: A bomb that lives on when it can start nothing more.
BOMB = "exec perl -e 'for (1 .. 400) { my $pid = fork; last unless defined $pid; if (!$pid) { sleep 99 } } sleep 99'"


@pytest.mark.usefixtures("possible")
def test_too_much_memory(place: Place) -> None:
    ended, log = place.run(HUNGRY, limits=Limits(memory=100 * MIB))
    said = "the program was killed because it used more memory than ml.m5.large has (100 MiB)"
    assert (ended.failure, ended.codes["algo-1"] != 0) == (said, True), log


@pytest.mark.usefixtures("possible")
def test_too_many_processes(place: Place) -> None:
    ended, _ = place.run(BOMB, limits=Limits(processes=60))
    assert ended.failure == "the program was killed because it started more than 60 processes and threads"
    assert ended.codes["algo-1"] != 0


@pytest.mark.usefixtures("possible")
def test_too_much_disk(place: Place) -> None:
    script = "for i in 1 2 3 4; do head -c 10000000 /dev/zero > /tmp/$i; done; sleep 99"
    ended, _ = place.run(script, limits=Limits(disk=20 * MIB))
    assert ended.failure.startswith("no space left: the program was killed because its files take 38.")
    assert ended.failure.endswith(" MiB, and VolumeSizeInGB gives it 20 MiB")
    assert ended.codes["algo-1"] != 0


UNNAMED = """
for my $name (1 .. 4) { open $files[$name], ">", $name; unlink $name; syswrite $files[$name], "x" x 10_000_000 }
sleep 99
"""


@pytest.mark.usefixtures("possible")
def test_too_much_disk_in_files_that_have_no_name_any_more(place: Place) -> None:
    ended, log = place.run(f"cd /tmp; exec perl -e '{UNNAMED}'", limits=Limits(disk=30 * MIB))
    assert ended.failure.startswith("no space left: the program was killed because its files take 38."), log


@pytest.mark.usefixtures("possible")
def test_a_file_that_is_too_large(place: Place) -> None:
    limit = Limits(disk=5 * MIB)
    ended, _ = place.run("exec head -c 10000000 /dev/zero > file", limits=limit)
    assert ended.failure == "the program was killed because it wrote a file of more than VolumeSizeInGB (5 MiB)"
    ended, _ = place.run("trap '' XFSZ; head -c 10000000 /dev/zero > file", limits=limit)
    assert ended.failure.startswith("no file may be larger than VolumeSizeInGB (5 MiB): head: ")


@pytest.mark.usefixtures("possible")
def test_what_is_within_the_limits_goes_on(place: Place) -> None:
    script = "head -c 3000000 /dev/zero > file; perl -e 'my $x = \"x\" x (20 << 20); sleep 2' & wait; ls -l | wc -l"
    within = Limits(memory=200 * MIB, disk=20 * MIB, processes=50, cpus=1)
    ended, _ = place.run(script, limits=within)
    assert (dict(ended.codes), ended.failure) == ({"algo-1": 0}, "")


def test_without_a_cell_limits_hold_too(tmp_path: Path) -> None:
    executor = SubprocessExecutor(zygote=False, containment="off")
    program = Program(argv=("/bin/sh", "-c", HUNGRY))
    executor.start(an_attempt(tmp_path / "attempt", program=program, limits=Limits(memory=100 * MIB)))
    ended = Watch(executor, tmp_path / "attempt").until_over().exit
    executor.close()
    assert ended is not None
    assert ended.failure.startswith("the program was killed because it used more memory than")


#: Begins to use too much when it is told to end; the shell above it ends at once.
LATE = """
perl -e '$SIG{TERM} = sub { $asked = 1 }; $| = 1; print "loss=1;\n"; select undef, undef, undef, 0.01 until $asked;
    for my $name (1 .. 4) { open F, ">", $name; print F "x" x 10_000_000; close F } sleep 99'
true
"""


@pytest.mark.usefixtures("possible")
@pytest.mark.parametrize("containment", ["auto", "off"])
def test_limits_hold_for_what_is_stopped_too(tmp_path: Path, containment: str) -> None:
    executor, directory = SubprocessExecutor(zygote=False, containment=containment), tmp_path / "attempt"
    program = Program(argv=("/bin/sh", "-c", LATE))
    executor.start(an_attempt(directory, program=program, limits=Limits(disk=20 * MIB), grace=60.0))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    executor.stop(directory)
    ended = watch.until_over().exit
    executor.close()
    assert ended is not None
    assert (ended.cause, ended.failure) == (Cause.STOPPED, "")
    assert b"pegbox: no space left: the program was killed because its files take 38." in log_of(directory)


def test_a_limit_of_processors_is_told_and_kept(tmp_path: Path) -> None:
    executor = SubprocessExecutor(zygote=False)
    script = "import os; assert len(os.sched_getaffinity(0)) == 1 == int(os.environ['SM_NUM_CPUS'])"
    executor.start(an_attempt(tmp_path / "attempt", script, limits=Limits(cpus=1)))
    ended = Watch(executor, tmp_path / "attempt").until_over().exit
    executor.close()
    assert ended is not None
    assert dict(ended.codes) == {"algo-1": 0}


def test_control_groups_are_given_back(tmp_path: Path) -> None:
    if not cgroups.hierarchies():
        pytest.skip("this user may not make control groups")
    executor = SubprocessExecutor(zygote=False)
    limit = Limits(memory=400 * MIB, processes=100)
    groups = {}
    for name, script in (("ends", ""), ("lost", "import time; print('loss=1;', flush=True); time.sleep(99)")):
        directory = tmp_path / name
        executor.start(an_attempt(directory, script, limits=limit))
        watch = Watch(executor, directory)
        if name == "lost":
            watch.until_value(1.0)
            os.kill(json.loads((directory / "runner.json").read_text())["pid"], 9)
        watch.until_over()
        groups[name] = [Path(place) for place in json.loads((directory / "runner.json").read_text())["groups"]]
        assert groups[name]
        watch.until(lambda _, name=name: not any(place.exists() for place in groups[name]))  # type: ignore[misc]
    executor.close()


def test_a_file_with_two_names_counts_once_and_links_do_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * MIB)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to("/usr")
    (tmp_path / "streamed").mkdir()
    (tmp_path / "streamed/d").write_bytes(b"x" * MIB)
    assert MIB <= sum(disk.sizes(str(tmp_path), [str(tmp_path / "streamed")])) < 2 * MIB
    assert 2 * MIB <= sum(disk.sizes(str(tmp_path))) < 3 * MIB


DEEP = """
my $folder = "x" x 200; for (1 .. 30) { mkdir $folder; chdir $folder }
for my $name (1 .. 4) { open F, ">", $name; print F "x" x 10_000_000; close F }
sleep 99
"""


@pytest.mark.usefixtures("possible")
def test_too_much_disk_deeper_than_a_path_is_long(place: Place) -> None:
    ended, log = place.run(f"cd /tmp; exec perl -e '{DEEP}'", limits=Limits(disk=30 * MIB))
    remove(place.folder / "home")  # which shutil cannot
    assert ended.failure.startswith("no space left: the program was killed because its files take "), log


def test_however_deep_folders_are_nested_one_is_open(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("x", dir_fd=fd)
        inner = os.open("x", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    file = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd)
    os.write(file, b"x" * MIB)
    for each in (file, fd):
        os.close(each)
    before = len(os.listdir("/proc/self/fd"))
    opened = [len(os.listdir("/proc/self/fd")) for size in disk.sizes(str(tmp_path)) if size >= MIB]
    assert len(opened) == 1
    assert opened[0] <= before + 2  # the folder, and the list of what is in it


def test_a_folder_that_is_moved_while_it_is_looked_at_leads_nowhere(tmp_path: Path) -> None:
    for name in ("one/deep/er", "two", "three"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "file").write_bytes(b"x" * MIB)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_bytes(b"x" * 8 * MIB)
    found = 0
    for size in disk.sizes(str(tmp_path / "tree")):
        found += size
        inside = tmp_path / "tree/one/deep"
        if found >= MIB and not inside.parent.is_symlink():
            inside.rename(tmp_path / "elsewhere/deep")
            (tmp_path / "tree/one").rename(tmp_path / "was")
            (tmp_path / "tree/one").symlink_to(tmp_path / "elsewhere")
    assert 2 * MIB <= found < 4 * MIB


def test_a_look_at_very_many_files_is_no_long_one(tmp_path: Path) -> None:
    for number in range(20_000):
        os.mknod(tmp_path / str(number))
    (tmp_path / "z").mkdir()
    (tmp_path / "z/file").write_bytes(b"x" * 2 * MIB)
    meter = Meter(
        instance_type="local",
        limits=limits.Limits(disk=MIB),
        group=cgroups.Group({}),
        directory=str(tmp_path),
        left_out=(),
        disk_due=0.0,
    )
    looks = []
    for _ in range(1000):
        before = time.thread_time()
        said = meter.excess(os.getpid())
        looks.append(time.thread_time() - before)
        if said:
            break
    assert said.startswith("no space left: ")
    assert max(looks) < 0.5


SHARE = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from pegbox.runner import limits
block = bytearray(b"x") * (64 << 20)
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        time.sleep(99)
    children.append(pid)
alone = limits.memory_used([os.getpid()], 1 << 62)
found = limits.family(os.getpid())
assert set(found) == {os.getpid(), *children} and set(found.values()) == {1}
together = limits.memory_used(found, 0)
for pid in children:
    os.kill(pid, 9)
assert len(block) <= together < 2 * alone < 8 * len(block), (alone, together)
"""


def test_memory_that_processes_share_counts_once() -> None:
    subprocess.run([sys.executable, "-c", SHARE, str(Path(limits.__file__).parents[2])], check=True)


SHARED = """
import mmap, os, sys, time
block = mmap.mmap(-1, 200 << 20)
for start in range(0, len(block), 4096):
    block[start] = 1
time.sleep(99)
"""

FILE = """
import mmap
with open("file", "wb") as file:
    file.write(bytes(200 << 20))
with open("file", "rb") as file:
    block = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
import time
end = time.monotonic() + 2.5
while time.monotonic() < end:
    sum(block[start] for start in range(0, len(block), 4096))
"""


@pytest.mark.usefixtures("possible")
@pytest.mark.parametrize(("script", "is_killed"), [(SHARED, True), (FILE, False)], ids=["shared", "file"])
def test_without_control_groups_shared_memory_counts_and_files_do_not(
    tmp_path: Path, script: str, is_killed: bool
) -> None:
    directory = tmp_path / "attempt"
    directory.mkdir()
    attempt = an_attempt(directory, script, limits=Limits(memory=100 * MIB))
    files.write_attempt(attempt, inherited={"PATH": os.environ["PATH"]}, wake=None, isolate=False, contain=False)
    run = 'mount -t tmpfs -o ro none /sys/fs/cgroup && exec "$0" -m pegbox.runner "$1"'
    environment = {"PYTHONPATH": str(Path(limits.__file__).parents[2]), "PATH": os.environ["PATH"]}
    command = ["unshare", "-Urm", "sh", "-c", run, sys.executable, str(directory)]
    subprocess.run(command, check=True, timeout=60, env=environment)
    ended = files.read_exit(directory)
    assert ended is not None
    assert ("used more memory than" in ended.failure) == is_killed, ended.failure


@pytest.mark.usefixtures("possible")
def test_files_in_memory_are_limited(place: Place) -> None:
    script = "df -B1 --output=size /dev/shm | tail -n 1"
    _, log = place.run(script, limits=Limits(memory=100 * MIB))
    assert int(log) == 100 * MIB
    _, log = place.run(script)
    assert int(log) > 100 * MIB


def test_a_memory_that_the_machine_does_not_have_is_no_limit() -> None:
    assert limits.Limits.parse({"memory": limits.machine_memory() * 2}).memory is None
    assert limits.Limits.parse({"memory": MIB, "disk": 1}) == limits.Limits(memory=MIB, disk=1)
