"""What a job's program sees of the machine, through the API and the command line."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs import XGBOOST, archive, command, new_name, pegbox, put, register, shell, training_ended
from pegbox.executors.containment import Containment
from pegbox.testing.requests import channel, training_request
from running import RunningServer


@pytest.fixture(scope="module", autouse=True)
def possible() -> None:
    if missing := Containment("auto").missing():
        pytest.skip(f"this machine does not contain programs: {missing}")


Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(sagemaker: Any, s3: Any, here: str) -> Iterator[Run]:
    """Runs a job of an image; what its program wrote into its model folder is under "files"."""

    def call(program: str, **changes: Any) -> dict[str, Any]:
        name = new_name()
        sagemaker.create_training_job(**training_request(name, program, here, **changes))
        job = training_ended(sagemaker, name)
        model = job.get("ModelArtifacts", {}).get("S3ModelArtifacts")
        return {**job, "files": archive(s3, model) if model and job["TrainingJobStatus"] == "Completed" else {}}

    yield call


LOOK = """
    import os, pathlib
    def look(*paths):
        for number, path in enumerate(paths):
            try:
                found = pathlib.Path(path).read_bytes()
            except OSError as error:
                found = error.strerror.encode()
            pathlib.Path(os.environ["SM_MODEL_DIR"], str(number)).write_bytes(found)
"""


def test_a_program_cannot_read_the_servers_database_or_keys(
    server: RunningServer, run: Run, tmp_path: Path, s3: Any, here: str
) -> None:
    put(s3, here, {"/train/a.csv": "other's data"})
    kept = [path for path in server.home.rglob("*") if path.is_file() and "attempts" not in path.parts]
    assert {"credentials", "pegbox.db"} <= {path.name for path in kept}
    paths = [str(path) for path in kept] + [f"/proc/1/root{path}" for path in kept]
    for workdir in (tmp_path, server.home.parent):
        program = register(server, tmp_path, f"{LOOK}\n    look(*{paths!r})")
        pegbox(
            server, "image", "add", program, "--command", f"python {tmp_path}/{program}.py", "--workdir", str(workdir)
        )
        files = run(program)["files"]
        assert len(files) == len(paths)
        assert set(files.values()) <= {b"No such file or directory", b"Permission denied", b"Not a directory"}


def test_bound_folders_are_seen_and_listed(server: RunningServer, run: Run, tmp_path: Path) -> None:
    work, data, out = (tmp_path / name for name in ("work", "data", "out"))
    for folder in (work, data, out):
        folder.mkdir()
        (folder / "x").write_text(folder.name)
    source = f"""{LOOK}
    look("{data}/x", "{out}/x")
    open("{out}/x").close()
    pathlib.Path("{out}/y").write_text("new")
    try:
        pathlib.Path("{data}/y").write_text("new")
    except OSError:
        pathlib.Path("{out}/y").write_text("only here")
    """
    options = ("--bind", f"{data}:ro", "--bind", str(out))
    reason = run(register(server, work, source))["FailureReason"]
    assert f"({out}/x is not visible to this job: see pegbox image add --bind)" in reason
    program = register(server, work, source, *options)
    assert run(program)["files"] == {"0": b"data", "1": b"out"}
    assert (out / "y").read_text() == "only here"
    (line,) = [line for line in pegbox(server, "image", "list").splitlines() if line.startswith(program)]
    assert line.endswith(f"  and sees {data}:ro  and sees {out}")


def test_what_is_bound_by_a_link_of_the_working_directory_is_seen(
    run: Run, server: RunningServer, tmp_path: Path
) -> None:
    for name in ("work", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "data/x").write_text("data")
    link = tmp_path / "work/data"
    link.symlink_to(tmp_path / "data")
    for bound in (f"{link}:ro", f"{link}/x"):
        assert run(register(server, tmp_path / "work", f'{LOOK}\n    look("data/x")', "--bind", bound))["files"] == {
            "0": b"data"
        }


def test_what_is_bound_of_the_home_stays_hidden(server: RunningServer, run: Run, tmp_path: Path) -> None:
    """The key of the server is nothing for its jobs, by whatever name."""
    (tmp_path / "work").mkdir()
    link = tmp_path / "link"
    link.symlink_to(server.home)
    places = [f"{folder}/{name}" for folder in (server.home, link) for name in ("credentials", "pegbox.db")]
    bound = [option for place in (*places, str(link)) for option in ("--bind", place)]
    files = run(register(server, tmp_path / "work", f"{LOOK}\n    look(*{places!r})", *bound))["files"]
    assert set(files.values()) == {b"No such file or directory"}
    add = f"pegbox image add {new_name('doubtful')} --command true --bind {places[0]}"
    assert "lies in the server's home, which stays hidden" in command(server, add, tmp_path).stderr


def test_a_bind_that_is_not_there_or_opens_the_home_is_mentioned(server: RunningServer, tmp_path: Path) -> None:
    add = f"pegbox image add {new_name('doubtful')} --command true"
    done = command(server, f"{add} --bind nowhere:ro", tmp_path)
    assert done.returncode == 0
    assert f"is registered, but --bind {tmp_path}/nowhere is not there" in done.stderr
    done = command(server, f"{add} --bind {server.home}", tmp_path)
    assert done.returncode == 0
    assert "contains the server's home, which stays hidden" in done.stderr
    for place in ("/", "/proc:ro"):
        done = command(server, f"{add} --bind {place}", tmp_path)
        assert done.returncode == 0
        assert f"is registered, but --bind {place.removesuffix(':ro')} shows nothing" in done.stderr
    done = command(server, f"{add} --workdir {server.home.parent}", tmp_path)
    assert "contains the server's home" in done.stderr
    done = command(server, f"{add} --bind :ro", tmp_path)
    assert done.returncode == 2 and "is not of the form PATH or PATH:ro" in done.stderr


def test_a_script_may_lie_elsewhere_with_its_modules(server: RunningServer, run: Run, tmp_path: Path) -> None:
    for folder in ("work", "code"):
        (tmp_path / folder).mkdir()
    (tmp_path / "code/train.py").write_text("import friend")
    (tmp_path / "code/friend.py").write_text("print('hello')")
    name = new_name("image")
    script = f"python {tmp_path}/code/train.py"
    pegbox(server, "image", "add", name, "--command", script, "--workdir", str(tmp_path / "work"))
    assert run(name)["TrainingJobStatus"] == "Completed"


def test_the_log_says_what_the_machine_does_not_allow(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    server = start_server()
    assert "does not contain" not in server.log.read_text()
    done = command(server, "PEGBOX_CONTAINMENT=maybe pegbox serve --port 0", tmp_path)
    assert done.returncode == 1 and "'maybe' is none of auto, require, off" in done.stderr
    forbidden = "unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_pid_namespaces; exec timeout 50 pegbox serve --port 0'"
    done = shell(server, f"PEGBOX_CONTAINMENT=require PEGBOX_HOME={tmp_path}/new {forbidden}", tmp_path)
    assert done.returncode == 1 and "does not allow it (files: No space left on device)" in done.stderr
    end = "{ grep -m 1 'does not contain'; kill $(sed 's/.*\"pid\": \\([0-9]*\\).*/\\1/' other/run/server.json); }"
    done = shell(server, f"PEGBOX_HOME={tmp_path}/other {forbidden} 2>&1 | {end}", tmp_path)
    assert "programs see the files and processes of the server's user" in done.stdout


def test_an_isolated_job_does_not_reach_the_server(server: RunningServer, run: Run, tmp_path: Path) -> None:
    program = register(
        server,
        tmp_path,
        f"""
            import os, pathlib, urllib.request
            try:
                found = urllib.request.urlopen("{server.url}/health", timeout=20).read().decode()
            except OSError as error:
                found = str(error)
            pathlib.Path(os.environ["SM_MODEL_DIR"], "found").write_text(found)
        """,
    )
    assert b'"status"' in run(program)["files"]["found"]
    job = run(program, EnableNetworkIsolation=True)
    assert b"Connection refused" in job["files"]["found"]
    assert job["EnableNetworkIsolation"] is True


def test_instances_of_the_built_in_algorithm_train_together_in_isolation(run: Run, s3: Any, here: str) -> None:
    put(s3, here, {f"/data/{part}.csv": f"{part},1,2\n1,3,{part}\n0,5,7\n" * 20 for part in (0, 1)})
    sharded = channel("train", f"{here}/data/", S3DataDistributionType="ShardedByS3Key") | {"ContentType": "text/csv"}
    job = run(
        XGBOOST,
        EnableNetworkIsolation=True,
        HyperParameters={"num_round": "2", "objective": "reg:squarederror"},
        InputDataConfig=[sharded],
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 1},
    )
    assert (job["TrainingJobStatus"], job.get("FailureReason")) == ("Completed", None)
    assert job["files"].keys() == {"xgboost-model"}


TOO_LARGE = """
    import os, pathlib
    with open("/tmp/large", "wb") as file:
        file.truncate(3 << 29)
    pathlib.Path(os.environ["SM_MODEL_DIR"], "cpus").write_text(os.environ["SM_NUM_CPUS"])
"""


def test_a_job_is_held_to_its_volume(server: RunningServer, run: Run, tmp_path: Path) -> None:
    program = register(server, tmp_path, TOO_LARGE)
    small, large = ({"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": size} for size in (1, 2))
    reason = run(program, ResourceConfig=small)["FailureReason"]
    assert reason.startswith("AlgorithmError: no file may be larger than VolumeSizeInGB (1 GiB): Traceback")
    assert reason.endswith("File too large, exit code: 1")
    assert run(program, ResourceConfig=large)["TrainingJobStatus"] == "Completed"


def test_the_setting_chooses_among_the_limits(start_server: Callable[..., RunningServer], tmp_path: Path) -> None:
    server = start_server(environment={"PEGBOX_LIMITS": "none"})
    server.client("s3").create_bucket(Bucket="free")
    sagemaker = server.client("sagemaker")
    request = training_request(new_name(), register(server, tmp_path, TOO_LARGE), "s3://free/out")
    sagemaker.create_training_job(**request)
    assert training_ended(sagemaker, request["TrainingJobName"])["TrainingJobStatus"] == "Completed"
    done = command(server, "PEGBOX_LIMITS=memory,time pegbox serve --port 0", tmp_path)
    assert done.returncode == 1 and "'time' is none of memory, disk, processes, cpu" in done.stderr


def test_the_doctor_finds_what_is_missing(server: RunningServer, tmp_path: Path) -> None:
    name = new_name("image")
    home = tmp_path / "home"
    command(server, f"pegbox image add {name} --command true --bind {tmp_path}/nowhere --home {home}", tmp_path)
    assert (
        f"image-bind: image {name}: {tmp_path}/nowhere"
        in command(server, f"pegbox doctor --home {home}", tmp_path).stdout
    )
    line = f"unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_pid_namespaces; pegbox doctor --home {home}'"
    assert "containment: files: No space left on device: programs see" in shell(server, line, tmp_path).stdout


def test_a_database_elsewhere_is_hidden_too(start_server: Callable[..., RunningServer], tmp_path: Path) -> None:
    """Also what SQLite keeps beside it, and with options in its URL."""
    (tmp_path / "base").mkdir()
    url = f"sqlite:///{tmp_path}/base/own.db?timeout=5"
    server = start_server(environment={"PEGBOX_DATABASE_URL": url})
    kept = sorted(path for path in (tmp_path / "base").iterdir())
    assert {path.name for path in kept} >= {"own.db", "own.db-wal", "own.db-shm"}
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    sagemaker = server.client("sagemaker")

    def end(name: str, program: str, **changes: Any) -> dict[str, Any]:
        request = training_request(name, program, f"file://{tmp_path}/out", **changes)
        sagemaker.create_training_job(**request)
        return training_ended(sagemaker, name)

    looking = register(server, tmp_path, f"{LOOK}\n    look(*{[str(path) for path in kept]!r})")
    seen = end(name := new_name(), looking)
    assert seen["TrainingJobStatus"] == "Completed", seen.get("FailureReason")
    with tarfile.open(tmp_path / f"out/{name}/output/model.tar.gz") as model:
        assert {member.size for member in model if member.name in map(str, range(len(kept)))} == {0}
    (tmp_path / "link").symlink_to(tmp_path / "base/own.db")
    for place in ("base/own.db", "base/own.db-wal", "base/", "link"):
        found = end(new_name(), looking, InputDataConfig=[channel("train", f"file://{tmp_path}/{place}")])
        assert "No files found under file URL" in found["FailureReason"], place
