"""What is stored of an attempt's files, with both of our own stores, and what is left alone."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pegbox.domain import definition, training_request
from pegbox.engine import outputs, staging
from pegbox.engine.faults import ClientFault
from pegbox.errors import ValidationException
from pegbox.objects.base import Location, ObjectStore
from pegbox.objects.files import FileStore
from pegbox.objects.local import LocalStore
from pegbox.objects.locations import parse
from pegbox.objects.routed import RoutedStore

ACCOUNT = "123456789012"
BAD = os.fsdecode(b"caf\xe9.bin")  #: Latin-1


class Place:
    """Objects below one URI."""

    def __init__(self, objects: ObjectStore, uri: str) -> None:
        self.objects, self.uri = objects, uri

    def put(self, name: str, text: str) -> None:
        self.objects.put(ACCOUNT, parse(f"{self.uri}/{name}"), io.BytesIO(text.encode()))

    def contents(self) -> dict[str, str]:
        base = parse(f"{self.uri}/") if self.uri.count("/") > 2 else parse(self.uri)
        found = {}
        for info in self.objects.list(ACCOUNT, base):
            with self.objects.open(ACCOUNT, Location(base.scheme, base.bucket, info.key)) as file:
                found[info.key.removeprefix(base.key)] = file.read().decode()
        return found

    def archive(self, name: str) -> dict[str, bytes]:
        with (
            self.objects.open(ACCOUNT, parse(f"{self.uri}/{name}")) as file,
            tarfile.open(fileobj=io.BytesIO(file.read())) as tar,
        ):
            return {member.name: (tar.extractfile(member) or io.BytesIO()).read() for member in tar}


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[ObjectStore]:
    files = FileStore(tmp_path / "objects")
    files.buckets.create(ACCOUNT, "jobs", "us-east-1")
    yield RoutedStore(files, LocalStore([tmp_path / "here"]))
    files.close()


@pytest.fixture(params=["s3", "file"])
def place(request: pytest.FixtureRequest, objects: ObjectStore, tmp_path: Path) -> Place:
    return Place(objects, "s3://jobs/deep" if request.param == "s3" else f"file://{tmp_path}/here")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "attempts" / "1" / "1"


def document(place: Place, instances: int = 1, compression: str = "GZIP", **checkpoints: str) -> dict[str, Any]:
    request = {
        "TrainingJobName": "job",
        "AlgorithmSpecification": {"TrainingImage": "any", "TrainingInputMode": "File"},
        "OutputDataConfig": {"S3OutputPath": place.uri, "CompressionType": compression},
        "ResourceConfig": {"InstanceCount": instances, "InstanceType": "local"},
        "CheckpointConfig": {"S3Uri": f"{place.uri}/points", **checkpoints},
    }
    return training_request.normalise(request, [])


def stage(place: Place, directory: Path, job: dict[str, Any]) -> Path:
    """Lay out an attempt; returns /opt/ml of its first instance."""
    staging.stage(place.objects, ACCOUNT, job, None, directory)
    ml = directory / "algo-1" / "ml"
    for name in ("model", "output/data"):
        (ml / name).mkdir(parents=True, exist_ok=True)
    return ml


def sync(place: Place, directory: Path, job: dict[str, Any]) -> None:
    outputs.store_checkpoints(place.objects, ACCOUNT, job, directory)


class Counting:
    """A store that remembers what is put, and lets a test do something while it reads."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self.keys: list[str] = []
        self.meanwhile: Any = None

    def put(self, account: str, location: Location, source: BinaryIO) -> str:
        self.keys.append(location.key.rsplit("/", 1)[-1])
        etag = self._inner.put(account, location, source)
        if self.meanwhile:
            self.meanwhile()
        return etag

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def test_what_the_job_did_not_bring_or_make_is_left_alone(place: Place, directory: Path) -> None:
    place.put("points/restored", "old")
    job = document(place)
    ml = stage(place, directory, job)
    place.put("points/of-another-job", "theirs")
    (ml / "checkpoints" / "restored").unlink()
    (ml / "checkpoints" / "mine").write_text("new")
    sync(place, directory, job)
    assert place.contents() == {"points/of-another-job": "theirs", "points/mine": "new"}
    (ml / "checkpoints" / "mine").unlink()
    sync(place, directory, job)
    assert place.contents() == {"points/of-another-job": "theirs"}


def test_a_model_among_the_checkpoints_stays(place: Place, directory: Path) -> None:
    job = document(place, S3Uri=place.uri)
    ml = stage(place, directory, job)
    (ml / "model" / "weights").write_text("w")
    (ml / "checkpoints" / "one").write_text("1")
    outputs.store_model(place.objects, ACCOUNT, job, directory, empty=True)
    sync(place, directory, job)
    sync(place, directory, job)
    assert place.archive("job/output/model.tar.gz") == {"weights": b"w"}


def test_only_new_and_changed_files_are_uploaded(objects: ObjectStore, directory: Path) -> None:
    counting = Counting(objects)
    place = Place(counting, "s3://jobs/deep")
    place.put("points/restored", "old")
    place.put("points/deep/changed", "old")
    job = document(place)
    ml = stage(place, directory, job)
    counting.keys.clear()
    sync(place, directory, job)
    assert counting.keys == []
    (ml / "checkpoints" / "deep" / "changed").write_text("new")
    (ml / "checkpoints" / "made").write_text("")
    sync(place, directory, job)
    sync(place, directory, job)  # as after a restart: nothing is remembered but in the directory
    assert counting.keys == ["changed", "made"]
    assert place.contents() == {"points/restored": "old", "points/deep/changed": "new", "points/made": ""}


def test_a_file_overwritten_during_its_upload_is_uploaded_again(objects: ObjectStore, directory: Path) -> None:
    counting = Counting(objects)
    place = Place(counting, "s3://jobs/deep")
    job = document(place)
    point = stage(place, directory, job) / "checkpoints" / "one"
    point.write_text("first")
    os.utime(point, ns=(1_000_000_000, 1_000_000_000))

    def overwrite() -> None:
        point.write_text("secnd")
        os.utime(point, ns=(2_000_000_000, 2_000_000_000))  # long before the object's own time

    counting.meanwhile = overwrite
    sync(place, directory, job)
    counting.meanwhile = None
    assert place.contents() == {"points/one": "first"}
    sync(place, directory, job)
    assert place.contents() == {"points/one": "secnd"}


def test_a_file_rotated_away_meanwhile_is_skipped(objects: ObjectStore, directory: Path) -> None:
    counting = Counting(objects)
    place = Place(counting, "s3://jobs/deep")
    job = document(place)
    points = stage(place, directory, job) / "checkpoints"
    for name in "abc":
        (points / name).write_text(name)
    counting.meanwhile = lambda: (points / "b").unlink(missing_ok=True)
    sync(place, directory, job)
    assert place.contents() == {"points/a": "a", "points/c": "c"}


def test_what_a_killed_server_had_uploaded_is_known_to_the_next(objects: ObjectStore, directory: Path) -> None:
    class Killed(BaseException):
        """Stands for kill -9: no handler of ours may count."""

    def kill() -> None:
        raise Killed

    counting = Counting(objects)
    place = Place(counting, "s3://jobs/deep")
    job = document(place)
    points = stage(place, directory, job) / "checkpoints"
    (points / "a").write_text("a")
    (points / "b").write_text("b")
    counting.meanwhile = kill
    with pytest.raises(Killed):
        sync(place, directory, job)
    counting.meanwhile = None
    (points / "a").unlink()
    sync(place, directory, job)
    assert place.contents() == {"points/b": "b"}


@pytest.mark.parametrize("text", ["", "{", '{"algo-1": {'])
def test_without_its_list_an_attempt_uploads_everything_and_removes_nothing(
    place: Place, directory: Path, text: str
) -> None:
    place.put("points/old", "old")
    job = document(place)
    points = stage(place, directory, job) / "checkpoints"
    (directory / "checkpoints.json").write_text(text)
    (points / "old").unlink()
    (points / "new").write_text("new")
    sync(place, directory, job)
    assert place.contents() == {"points/old": "old", "points/new": "new"}


def test_checkpoints_of_a_directory_that_is_gone_stay(place: Place, directory: Path) -> None:
    place.put("points/old", "old")
    job = document(place)
    points = stage(place, directory, job) / "checkpoints"
    points.rename(points.with_name("elsewhere"))
    sync(place, directory, job)
    assert place.contents() == {"points/old": "old"}


def test_a_file_that_became_a_folder_is_replaced(objects: ObjectStore, directory: Path) -> None:
    place = Place(objects, "s3://jobs/deep")
    place.put("points/one", "old")
    job = document(place)
    point = stage(place, directory, job) / "checkpoints" / "one"
    point.unlink()
    point.mkdir()
    (point / "part").write_text("new")
    sync(place, directory, job)
    assert place.contents() == {"points/one/part": "new"}


def test_each_instance_brings_what_it_changed(place: Place, directory: Path) -> None:
    place.put("points/rank-1", "old")
    place.put("points/both", "old")
    job = document(place, instances=2)
    stage(place, directory, job)
    first, second = (directory / f"algo-{number}" / "ml" / "checkpoints" for number in (1, 2))
    (second / "rank-1").write_text("newer")
    (first / "both").write_text("first")
    (second / "both").write_text("second")
    sync(place, directory, job)
    sync(place, directory, job)
    assert place.contents() == {"points/rank-1": "newer", "points/both": "first"}
    (first / "both").unlink()
    sync(place, directory, job)
    assert "points/both" in place.contents()
    (second / "both").unlink()
    sync(place, directory, job)
    assert place.contents() == {"points/rank-1": "newer"}


@pytest.mark.parametrize("local", ["/opt//ml/ck", "/opt/ml/./ck", "//opt/ml/ck/", "/opt/ml//ck//"])
def test_a_local_path_means_one_folder_however_it_is_written(place: Place, directory: Path, local: str) -> None:
    place.put("points/old", "old")
    job = document(place, LocalPath=local)
    definition.check(job)
    assert job["CheckpointConfig"]["LocalPath"] == ("/opt/ml/ck/" if local.endswith("/") else "/opt/ml/ck")
    ml = stage(place, directory, job)
    assert (ml / "ck" / "old").read_text() == "old"
    raw = job | {"CheckpointConfig": job["CheckpointConfig"] | {"LocalPath": local}}
    (ml / "ck" / "new").write_text("new")
    sync(place, directory, raw)  # a document from before
    assert place.contents() == {"points/old": "old", "points/new": "new"}


@pytest.mark.parametrize("name", ["input", "model/", "model/deep", "output/data", "code", ".//output", "./code/."])
def test_checkpoints_are_kept_out_of_folders_with_another_purpose(place: Place, name: str) -> None:
    with pytest.raises(ValidationException, match=r"must not lie in /opt/ml/(input|model|output|code), "):
        definition.check(document(place) | {"CheckpointConfig": {"S3Uri": place.uri, "LocalPath": f"/opt/ml/{name}"}})


@pytest.mark.parametrize(
    "path", ["/opt/ml", "/opt/ml/", "/opt/mlx/a", "opt/ml/a", "/opt/ml/../x", "/opt/ml/a\0b", "//"]
)
def test_checkpoints_lie_below_opt_ml(place: Place, path: str) -> None:
    with pytest.raises(ValidationException, match="must lie below /opt/ml"):
        definition.check(document(place) | {"CheckpointConfig": {"S3Uri": place.uri, "LocalPath": path}})


@pytest.mark.parametrize("uri", ["s3://jobs", "s3://jobs/"])
def test_a_whole_bucket_can_hold_checkpoints(objects: ObjectStore, directory: Path, uri: str) -> None:
    place = Place(objects, "s3://jobs")
    place.put("old", "old")
    job = document(place, S3Uri=uri)
    points = stage(place, directory, job) / "checkpoints"
    assert (points / "old").read_text() == "old"
    (points / "new").write_text("new")
    (points / "old").unlink()
    sync(place, directory, job)
    assert place.contents() == {"new": "new"}


@pytest.mark.parametrize("below", ["algo-1", "algo-1/ml", "algo-1/ml/output", "algo-1/ml/output/data"])
def test_nothing_is_stored_through_a_link(place: Place, directory: Path, tmp_path: Path, below: str) -> None:
    job = document(place, compression="NONE")
    stage(place, directory, job)
    secret = tmp_path / "etc"
    (directory / below).rename(secret)
    for name in ("", "output", "output/data", "ml/output/data", "data", "ml/model", "model", "ml/checkpoints"):
        (secret / name).mkdir(parents=True, exist_ok=True)
        (secret / name / "shadow").write_text("secret")
    (directory / below).symlink_to(secret)
    outputs.store_data(place.objects, ACCOUNT, job, directory)
    assert place.contents() == {}
    if "output" not in below:
        outputs.store_model(place.objects, ACCOUNT, job, directory, empty=False)
        sync(place, directory, job)
    assert place.contents() == {}


def test_a_model_that_is_a_link_is_an_empty_model(place: Place, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("secret")
    job = document(place)
    ml = stage(place, directory, job)
    (ml / "model").rmdir()
    (ml / "model").symlink_to(tmp_path)
    outputs.store_model(place.objects, ACCOUNT, job, directory, empty=True)
    assert place.archive("job/output/model.tar.gz") == {}


def test_a_checkpoint_that_became_a_link_is_not_read(place: Place, directory: Path, tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("secret")
    job = document(place)
    points = stage(place, directory, job) / "checkpoints"
    (points / "folder").symlink_to(tmp_path)
    (points / "file").symlink_to(tmp_path / "shadow")
    os.mkfifo(points / "pipe")
    sync(place, directory, job)
    assert place.contents() == {}


def test_an_archive_keeps_names_that_are_not_utf_8(place: Place, directory: Path) -> None:
    job = document(place)
    model = stage(place, directory, job) / "model"
    (model / "deep").mkdir()
    (model / "deep" / BAD).write_text("weights")
    outputs.store_model(place.objects, ACCOUNT, job, directory, empty=True)
    assert place.archive("job/output/model.tar.gz") == {f"deep/{BAD}": b"weights"}


def test_a_name_that_can_be_no_key_fails_the_job(place: Place, directory: Path) -> None:
    job = document(place, compression="NONE")
    ml = stage(place, directory, job)
    for folder in ("model", "output/data", "checkpoints"):
        (ml / folder / BAD).write_text("x")
        (ml / folder / "good").write_text("x")
    said = r"\[caf\\xe9\.bin\] is not UTF-8"
    with pytest.raises(ClientFault, match=said) as caught:
        outputs.store_model(place.objects, ACCOUNT, job, directory, empty=True)
    assert caught.value.reason.isascii()
    with pytest.raises(ClientFault, match=said):
        outputs.store_data(place.objects, ACCOUNT, job, directory)
    with pytest.raises(ClientFault, match=said):
        sync(place, directory, job)
    assert place.contents() == {"points/good": "x"}


def test_hard_links_are_packed_once(place: Place, directory: Path) -> None:
    job = document(place)
    model = stage(place, directory, job) / "model"
    (model / "a").write_text("weights")
    (model / "b").hardlink_to(model / "a")
    outputs.store_model(place.objects, ACCOUNT, job, directory, empty=True)
    assert place.archive("job/output/model.tar.gz") == {"a": b"weights", "b": b"weights"}


def test_two_servers_may_pack_at_once(place: Place, directory: Path) -> None:
    job = document(place)
    model = stage(place, directory, job) / "model"
    content = {f"{number}": os.urandom(200_000) for number in range(5)}
    for name, data in content.items():
        (model / name).write_bytes(data)
    (directory / "model.tar.gz").write_text("of another server")
    before = sorted(directory.iterdir())
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(outputs.store_model, place.objects, ACCOUNT, job, directory, empty=True) for _ in range(6)]
        for task in tasks:
            task.result()
    assert place.archive("job/output/model.tar.gz") == content
    assert sorted(directory.iterdir()) == before
    assert (directory / "model.tar.gz").read_text() == "of another server"


def test_files_with_holes_are_no_way_around_the_volume(place: Place, directory: Path) -> None:
    job = document(place)
    ml = stage(place, directory, job)
    folders = {"model": ml / "model", "data": ml / "output" / "data", "checkpoints": ml / "checkpoints"}
    for each in folders.values():
        for number in range(outputs.VOLUMES):
            with (each / str(number)).open("wb") as file:
                file.truncate(1000)

    def store(volume: int | None) -> list[str]:
        """What is refused."""
        refused = []
        for name, step in (
            ("model", lambda: outputs.store_model(place.objects, ACCOUNT, job, directory, empty=True, volume=volume)),
            ("data", lambda: outputs.store_data(place.objects, ACCOUNT, job, directory, volume=volume)),
            ("checkpoints", lambda: outputs.store_checkpoints(place.objects, ACCOUNT, job, directory, volume=volume)),
        ):
            try:
                step()
            except ClientFault as fault:
                assert fault.reason.startswith(f"ClientError: The files of the output [{name}] have 10000 bytes")
                refused.append(name)
        return refused

    assert store(999) == [*folders]
    assert place.contents() == {}
    assert store(1000) == []
    assert store(None) == []
