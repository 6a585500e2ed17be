"""What a contained program can see, change and leave behind; as whoever runs the tests, and as an ordinary user."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pegbox.executors import directory as files
from pegbox.executors.base import Cause, Phase, Program
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.attempts import Watch, an_attempt, is_running, log_of, mark_of, processes_of, wait_for
from places import INHERITED, Place

pytestmark = pytest.mark.usefixtures("possible")

#: A process of another session that ignores signals and is known by its argument alone.
LEAVE_A_DAEMON = (
    'setsid env -i PATH=$PATH sh -c \'(trap "" TERM HUP; exec sh -c "sleep 987; :" {mark})'
    " >/dev/null 2>&1 & echo loss=1' >/dev/null; "
)


def test_nothing_survives_the_end_of_a_program(place: Place) -> None:
    directory = place.folder / "home/attempts/1/1"
    ended, _ = place.run(LEAVE_A_DAEMON.format(mark=mark_of(directory)) + "exit 3")
    assert (ended.cause, dict(ended.codes)) == (Cause.EXIT, {"algo-1": 3})
    assert processes_of(directory) == set()


def test_nothing_survives_the_end_of_a_runner(tmp_path: Path) -> None:
    directory = tmp_path / "attempt"
    executor = SubprocessExecutor(zygote=False)
    script = LEAVE_A_DAEMON.format(mark=mark_of(directory)) + "echo 'loss=1;'; sleep 988"
    executor.start(an_attempt(directory, program=Program(argv=("/bin/sh", "-c", script))))
    watch = Watch(executor, directory)
    watch.until_value(1.0)
    record = json.loads((directory / "runner.json").read_text())
    wait_for(lambda: len(processes_of(directory)) == 3)
    living = processes_of(directory)
    os.kill(record["pid"], 9)
    wait_for(lambda: not any(map(is_running, [*living, record["hosts"]["algo-1"]])))
    assert watch.until_over().phase is Phase.LOST
    executor.close()


def test_a_program_sees_its_own_processes_only(place: Place) -> None:
    _, log = place.run("echo /proc/[0-9]*; cat /proc/1/environ; kill -9 1; kill -9 -1; echo alive")
    lines = log.splitlines()
    assert {int(name.rpartition("/")[2]) for name in lines[0].split()} <= set(range(1, 10))
    assert "alive" in lines
    assert not any("PEGBOX_" in line for line in lines)


def test_a_program_cannot_look_into_the_first_process(place: Place) -> None:
    """Which knows how the program ended before the runner does."""
    _, log = place.run("for process in self 1; do cat /proc/$process/maps 2>&1 | tail -n 1; done")
    own, first = log.splitlines()
    assert own.endswith("[vsyscall]") or "-" in own.split()[0]
    assert first == "cat: /proc/1/maps: Permission denied"


#: A runner that dies as soon as it has let the first process of a cell in.
DEAD_BEFORE_THE_BOND = """
import os, sys, time
from pegbox.runner.process import _Gate
gate = _Gate.open()
runner = os.getpid()
pid = os.fork()
if pid == 0:
    os.close(gate.opener)
    os.close(gate.told)
    while sys.argv[1] == "dies" and os.getppid() == runner:
        time.sleep(0.001)
    gate.pass_through()
    print("passed", flush=True)
    os._exit(0)
os.close(gate.way)
gate.let_through()
if sys.argv[1] == "lives":
    os.waitpid(pid, 0)
"""


@pytest.mark.parametrize(("runner", "said"), [("dies", b""), ("lives", b"passed\n")])
def test_the_first_process_does_not_begin_without_its_runner(runner: str, said: bytes) -> None:
    command = [sys.executable, "-c", DEAD_BEFORE_THE_BOND, runner]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=30)  # until nobody can print any more
    assert done.stdout == said


READ_IT = """
for way in {secret} /proc/1/root{secret} /proc/self/root{secret} ./link ./up/home/pegbox.db /..{secret}; do
    cat $way
done
ls -a {home} {home}/attempts {home}/attempts/1
"""


def test_the_servers_home_and_other_attempts_are_hidden(place: Place) -> None:
    secret = place.write("home/pegbox.db", "the crown jewels")
    other = place.write("home/attempts/2/1/algo-1/ml/data", "another job's")
    work = place.write("work/here", "").parent
    (work / "link").symlink_to(secret)
    (work / "up").symlink_to("..")
    script = READ_IT.format(secret=secret, home=place.folder / "home") + f"cat {other} {other.parent}/*"
    for workdir in (work, place.folder):
        _, log = place.run(script, workdir=str(workdir))
        assert "jewels" not in log and "another job's" not in log
        assert log.count("No such file") + log.count("Permission denied") >= 7


def test_the_home_of_an_attempt_is_hidden_whoever_starts_it(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/secret").write_text("the crown jewels")
    directory = tmp_path / "home/attempts/1/1"
    executor = SubprocessExecutor(zygote=False, hidden=[tmp_path / "another"])
    program = Program(argv=("/bin/sh", "-c", "ls; cat home/secret"), workdir=str(tmp_path))
    executor.start(an_attempt(directory, program=program, hidden=(str(tmp_path / "home"),)))
    Watch(executor, directory).until_over()
    executor.close()
    assert b"home\n" in log_of(directory) and b"jewels" not in log_of(directory)


def test_a_way_around_the_walls_is_barred(place: Place) -> None:
    secret = place.write("home/pegbox.db", "the crown jewels")
    home = secret.parent
    script = f"""
        umount -l {home}; umount -R /; mount -o remount,rw /usr; mknod disk b 8 0; chroot / true
        unshare -Urmp sh -c 'umount -l {home}; umount -l /etc/hosts; mount -o remount,bind,rw /usr; cat {secret}'
        echo broken > /usr/broken; echo broken > /etc/broken; echo broken > /proc/sys/kernel/core_pattern
        cat {secret}
    """
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    _, log = place.run(script, workdir=str(place.folder))
    assert "jewels" not in log
    assert not Path("/usr/broken").exists() and not Path("/etc/broken").exists()
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before
    assert not (place.folder / "disk").exists()


def test_a_program_has_a_tree_a_home_and_a_tmp_of_its_own(place: Place) -> None:
    mark = Path(tempfile.gettempdir(), f"mark-{os.getpid()}")
    mark.write_text("")
    _, log = place.run(
        "echo 1 > /opt/ml/model/a && cat $SM_MODEL_DIR/a && echo 2 > /tmp/b && cat /tmp/b && echo 3 > ~/c && cat ~/c;"
        "ls /tmp; ls -A ~; pwd; ls /home /root; grep algo-1 /etc/hosts; mktemp"
    )
    mark.unlink()
    lines = log.splitlines()
    assert lines[:3] == ["1", "2", "3"]
    assert mark.name not in lines
    assert str(place.folder / "home/attempts/1/1/algo-1") in lines
    assert lines[-1].startswith("/tmp/")
    assert any(line.startswith("127.") and "algo-1" in line for line in lines)


#: What administrators keep for root and for single users, in a view of our own.
KEPT_FOR_FEW = """
mount -t tmpfs none /usr/local/etc && mount -t tmpfs none /opt && cd /usr/local/etc
mkdir -p open closed named /opt/open /opt/closed
for folder in open closed named /opt/open /opt/closed; do
    echo secret > $folder/secret; echo public > $folder/public
done
chmod 700 closed /opt/closed
chmod 640 open/secret named/secret /opt/open/secret
chown 65534 open/secret
exec "$0" -P -m pegbox.runner "$1"
"""


def test_what_only_root_may_read_of_the_system_is_not_shown_to_its_programs(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("this needs root")
    directory = tmp_path / "attempt"
    directory.mkdir()
    program = Program(
        argv=("/bin/sh", "-c", "cat /usr/local/etc/*/* /opt/[co]*/* 2>/dev/null; cat /usr/local/etc/named/secret"),
        binds=("/usr/local/etc/named:ro",),
    )
    attempt = an_attempt(directory, program=program)
    files.write_attempt(attempt, inherited=INHERITED, wake=None, isolate=True, contain=True)
    subprocess.run(["unshare", "-m", "sh", "-c", KEPT_FOR_FEW, sys.executable, str(directory)], check=True)
    assert log_of(directory).split() == [b"public", b"secret", b"public", b"public", b"secret"], log_of(directory)


def test_the_working_directory_is_writable_and_its_neighbours_are_not_there(place: Place) -> None:
    place.write("beside/it", "private")
    work = place.write("work/program.txt", "mine\n").parent
    _, log = place.run("cat program.txt; echo new > new; ls ..; cat ../beside/it", workdir=str(work))
    assert log.splitlines()[0] == "mine"
    assert (work / "new").read_text() == "new\n"
    assert "private" not in log


def test_credentials_in_a_home_that_is_a_working_directory_are_covered(place: Place) -> None:
    place.write(".aws/credentials", "terrible")
    place.write(".netrc", "terrible")
    place.write("notes", "visible")
    inherited = INHERITED | {"HOME": str(place.folder)}
    script = "cat .aws/credentials .netrc notes; echo new > .aws/new"
    _, log = place.run(script, workdir=str(place.folder), inherited=inherited)
    assert "visible" in log and "terrible" not in log and "Read-only" in log
    _, log = place.run(script, workdir=str(place.folder), inherited=inherited, binds=(f"{place.folder}/.aws:ro",))
    assert log.count("terrible") == 1


def test_bound_folders_are_visible(place: Place) -> None:
    data, out = place.write("data/x", "numbers\n").parent, place.write("out/x", "old\n").parent
    work = place.write("work/x", "mine\n").parent
    script = f"cat {data}/x {out}/x; echo new > {out}/x; echo new > {data}/x; echo new > {work}/x"
    binds = (f"{data}:ro", str(out), str(place.folder / "nowhere"), f"{work}:ro")
    _, log = place.run(script, binds=binds, workdir=str(work))
    assert log.startswith("numbers\nold\n")
    assert [(folder / "x").read_text() for folder in (data, out, work)] == ["numbers\n", "new\n", "mine\n"]


def test_a_bind_does_not_open_the_servers_home(place: Place) -> None:
    secret = place.write("home/pegbox.db", "the crown jewels")
    for bound in (place.folder, place.folder / "home"):
        _, log = place.run(f"cat {secret}; ls -A {secret.parent}", binds=(str(bound),))
        assert "jewels" not in log


def test_a_folder_that_is_reached_through_a_link_is_there_under_both_names(place: Place) -> None:
    real = place.write("real/x", "found\n").parent
    link = place.folder / "link"
    link.symlink_to(real)
    _, log = place.run(f"cat {link}/x {real}/x", binds=(f"{link}:ro",))
    assert log == "found\nfound\n"


def test_programs_hold_no_rights(place: Place) -> None:
    _, log = place.run("grep -e CapEff -e NoNewPrivs /proc/self/status")
    rights, no_new = (line.split()[1] for line in log.splitlines())
    assert int(rights, 16) & ~0xFB == 0
    assert no_new == "1"


REACH = """
for place in {port} 9/192.0.2.1; do
    bash -c "exec 3<>/dev/tcp/${{place#*/}}/${{place%/*}} && echo reached" 2>&1 | sed 's/.*: //'
done
cat /proc/net/dev | wc -l
"""


def test_an_isolated_program_has_no_network(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        script = REACH.format(port=f"{server.getsockname()[1]}/127.0.0.1")
        _, log = place.run(script, network_isolation=True)
        assert set(log.splitlines()) == {"Connection refused", "Network is unreachable", "3"}
        _, log = place.run(script.replace("9/192.0.2.1", ""))
        assert log.splitlines()[0] == "reached"


MEET = """
exec 2>&1
address=$(sed -n 's/ algo-1$//p' /etc/hosts)
if [ $SM_CURRENT_HOST = algo-1 ]; then
    perl -MIO::Socket::INET -e '
        $s = IO::Socket::INET->new(Listen => 1, LocalAddr => $ARGV[0], LocalPort => 7001) or die;
        $c = $s->accept; print scalar <$c>' $address
else
    until bash -c "echo met > /dev/tcp/$address/7001" 2>/dev/null; do sleep 0.02; done
fi
"""


def test_isolated_instances_meet(place: Place) -> None:
    if shutil.which("perl") is None:
        pytest.skip("there is no perl to listen with")
    ended, log = place.run(MEET, network_isolation=True, instance_count=2)
    assert (dict(ended.codes), log) == ({"algo-1": 0, "algo-2": 0}, "met\n")


def test_isolation_is_not_given_up_for_want_of_a_cell(tmp_path: Path) -> None:
    directory = tmp_path / "attempt"
    executor = SubprocessExecutor(zygote=False, containment="off")
    executor.start(an_attempt(directory, "print('ran')", network_isolation=True))
    ended = Watch(executor, directory).until_over().exit
    executor.close()
    assert ended is not None
    assert ended.failure.startswith("ClientError: EnableNetworkIsolation is set, and this server does not contain")
    assert b"ran" not in log_of(directory)


def in_a_place_without(limit: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command where the kernel allows none of a kind of namespace (namespaces(7), /proc/sys/user)."""
    script = f'echo 0 > /proc/sys/user/{limit} && exec "$@"'
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", script, "sh", *command],
        capture_output=True,
        text=True,
        check=True,
    )


def test_where_only_the_network_cannot_be_left_just_isolated_programs_are_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pegbox.runner"]
    found = json.loads(in_a_place_without("max_net_namespaces", [*command[:-1], "pegbox.runner.probe"]).stdout)
    assert found["files"] == "" and "No space left" in found["network"]
    for isolated in (True, False):
        directory = tmp_path / str(isolated)
        directory.mkdir()
        attempt = an_attempt(directory, "print('ran')", network_isolation=isolated)
        files.write_attempt(attempt, inherited={}, wake=None, isolate=True, contain=True)
        in_a_place_without("max_net_namespaces", [*command, str(directory)])
        assert (b"ran" in log_of(directory)) is not isolated


@pytest.mark.parametrize("limit", ["max_pid_namespaces", "max_mnt_namespaces"])
def test_where_namespaces_are_refused_the_probe_says_so_and_a_program_is_not_run_without(
    tmp_path: Path, limit: str
) -> None:
    found = json.loads(in_a_place_without(limit, [sys.executable, "-m", "pegbox.runner.probe"]).stdout)
    assert "No space left" in found["files"]
    directory = tmp_path / "attempt"
    directory.mkdir()
    files.write_attempt(an_attempt(directory, "print('ran')"), inherited={}, wake=None, isolate=True, contain=True)
    in_a_place_without(limit, [sys.executable, "-m", "pegbox.runner", str(directory)])
    ended = files.read_exit(directory)
    assert ended is not None
    assert dict(ended.codes) == {"algo-1": 126}
    assert ended.failure.startswith("ClientError: the program cannot be contained: ")
    assert b"ran" not in log_of(directory)


def test_root_without_its_rights_uses_a_user_namespace(tmp_path: Path) -> None:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("this needs root and setpriv")
    directory = tmp_path / "attempt"
    directory.mkdir()
    script = "cat /proc/self/uid_map; ls /proc | grep -c '^[0-9]'; echo 1 > /opt/ml/model/a"
    attempt = an_attempt(directory, program=Program(argv=("/bin/sh", "-c", script)), network_isolation=True)
    files.write_attempt(attempt, inherited=INHERITED, wake=None, isolate=True, contain=True)
    weak = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-m"]
    subprocess.run([*weak, "pegbox.runner", str(directory)], check=True)
    ended = files.read_exit(directory)
    assert ended is not None
    assert dict(ended.codes) == {"algo-1": 0}, log_of(directory)
    assert log_of(directory).split()[:3] == [b"0", b"0", b"1"]
    found = subprocess.run([*weak, "pegbox.runner.probe"], capture_output=True, check=True).stdout
    assert not any(json.loads(found).values())


AUTO = """
import pathlib, sys
from pegbox.executors.subprocess import SubprocessExecutor
from pegbox.testing.attempts import Watch, an_attempt
executor = SubprocessExecutor(containment=sys.argv[2])
executor.start(an_attempt(pathlib.Path(sys.argv[1]), "print('ran')"))
Watch(executor, pathlib.Path(sys.argv[1])).until_over()
executor.close()
"""


@pytest.mark.parametrize(("mode", "runs"), [("auto", True), ("require", False), ("off", True)])
def test_without_namespaces_the_mode_decides(tmp_path: Path, mode: str, runs: bool) -> None:
    directory = tmp_path / "attempt"
    in_a_place_without("max_pid_namespaces", [sys.executable, "-c", AUTO, str(directory), mode])
    assert (log_of(directory).splitlines()[-1] == b"ran") is runs


FAILURES = {
    "link": "ln -s {secret} $SM_OUTPUT_DIR/failure",
    "folder": "rm -r $SM_OUTPUT_DIR; ln -s {folder} $SM_OUTPUT_DIR",
    "pipe": "mkfifo $SM_OUTPUT_DIR/failure",
}


@pytest.mark.parametrize("way", FAILURES)
def test_no_other_file_becomes_the_reason_of_a_failure(place: Place, way: str) -> None:
    secret = place.write("home/outputs/failure", "the secret of a key")
    ended, _ = place.run(FAILURES[way].format(secret=secret, folder=secret.parent) + "; echo said; exit 3")
    assert (ended.failure, dict(ended.codes)) == ("said", {"algo-1": 3})


def test_what_a_channel_would_stream_is_read_only(place: Place) -> None:
    """Its folder is not measured: nothing may be written to it."""
    channels = {"train": {"TrainingInputMode": "FastFile"}, "other": {"TrainingInputMode": "File"}}
    staged = {f"algo-1/ml/input/data/{name}/a": "a" for name in channels}
    ways = "$SM_INPUT_DIR/data/$name /opt/ml/input/data/$name"
    script = f"for name in train other; do for way in {ways}; do cat $way/a; touch $way/b && echo $name; done; done"
    _, log = place.run(script, channels=channels, staged=staged)
    assert log.count("Read-only file system") == 2
    assert [line for line in log.splitlines() if "touch" not in line] == ["aother", "aother"]
