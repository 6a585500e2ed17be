"""What a file:// location may not do."""

from __future__ import annotations

import io
import os
import tempfile
import threading
from pathlib import Path

import pytest

from pegbox.objects.base import Location, NoSuchObject, Refused
from pegbox.objects.local import LocalStore


def at(path: Path) -> Location:
    return Location("file", "", str(path))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "secret").write_text("secret")
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore([root])


def test_nothing_outside_of_the_roots_is_there(store: LocalStore, root: Path, tmp_path: Path) -> None:
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to(tmp_path)
    for path in (tmp_path / "secret", root / ".." / "secret", root / "link", root / "folder" / "secret"):
        with pytest.raises(NoSuchObject):
            store.open("", at(path))
        with pytest.raises(NoSuchObject):
            store.fetch("", at(path), tmp_path / "out")
        with pytest.raises(NoSuchObject):
            store.put("", at(path), io.BytesIO(b"changed"))
        store.delete("", at(path))
    assert (tmp_path / "secret").read_text() == "secret"
    assert list(store.list("", at(root / "f"))) == []
    assert list(store.list("", at(root / "l"))) == []
    assert list(store.list("", at(tmp_path / "secret"))) == []


def test_links_inside_the_roots_are_followed(store: LocalStore, root: Path) -> None:
    (root / "file").write_bytes(b"x")
    (root / "link").symlink_to(root / "file")
    with store.open("", at(root / "link")) as body:
        assert body.read() == b"x"
    assert [info.key for info in store.list("", at(root / "l"))] == [str(root / "link")]


def test_only_regular_files_are_objects(store: LocalStore, root: Path) -> None:
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    for name in ("folder", "pipe", "file/below"):
        with pytest.raises(NoSuchObject):
            store.open("", at(root / name))
    assert list(store.list("", at(root / "p"))) == []


def test_a_failed_put_leaves_the_old_file(store: LocalStore, root: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("the line is cut")

    (root / "file").write_bytes(b"old")
    with pytest.raises(OSError, match="the line is cut"):
        store.put("", at(root / "file"), Broken())
    assert [path.name for path in root.iterdir()] == ["file"]
    assert (root / "file").read_bytes() == b"old"


def test_order_is_that_of_whole_paths(store: LocalStore, root: Path) -> None:
    for name in ("a/b", "a.txt", "a-b", "a/c/d", "a0"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    found = [info.key.removeprefix(f"{root}/") for info in store.list("", at(root / "a"))]
    assert found == sorted(found, key=str.encode) == ["a-b", "a.txt", "a/b", "a/c/d", "a0"]


def test_what_is_the_servers_own_is_not_there(root: Path) -> None:
    home = root / "home"
    home.mkdir()
    (home / "credentials").write_text("secret")
    (root / "data").write_text("1")
    (root / "link").symlink_to(home / "credentials")
    (root / "in").symlink_to(home)
    store = LocalStore([Path("/")], apart=[home])
    for path in (home / "credentials", root / "link", root / "in" / "credentials", Path("/proc/self/environ")):
        with pytest.raises(NoSuchObject):
            store.open("", at(path))
        with pytest.raises(NoSuchObject):
            store.put("", at(path), io.BytesIO(b"changed"))
        store.delete("", at(path))
    assert (home / "credentials").read_text() == "secret"
    assert [info.key for info in store.list("", at(root / ""))] == [str(root / "data")]
    assert list(store.list("", Location("file", "", f"{home}/"))) == []
    assert list(store.list("", Location("file", "", "/proc/self/"))) == []


def test_a_link_that_changes_meanwhile_leads_nowhere(root: Path, tmp_path: Path) -> None:
    """Between the look at a path and its opening a program may replace a folder by a link."""

    class Hurried(LocalStore):
        def _inside(self, location: Location) -> Path:
            path = super()._inside(location)
            (root / "folder").rename(root / "was")
            (root / "folder").symlink_to(tmp_path)
            return path

    for work in (lambda s, p: s.open("", p), lambda s, p: s.put("", p, io.BytesIO(b"changed"))):
        (root / "folder").mkdir()
        (root / "folder" / "secret").write_text("mine")
        with pytest.raises(NoSuchObject):
            work(Hurried([root]), at(root / "folder" / "secret"))
        assert (tmp_path / "secret").read_text() == "secret"
        (root / "folder").unlink()
        (root / "was" / "secret").unlink()
        (root / "was").rmdir()


def test_a_link_that_appears_meanwhile_changes_nothing_elsewhere(root: Path, tmp_path: Path) -> None:
    class Hurried(LocalStore):
        def _inside(self, location: Location) -> Path:
            path = super()._inside(location)
            (root / "folder").rmdir()
            (root / "folder").symlink_to(tmp_path)
            return path

    (root / "folder").mkdir()
    with pytest.raises(NoSuchObject):
        Hurried([root]).put("", at(root / "folder" / "new" / "file"), io.BytesIO(b"x"))
    (root / "folder").unlink()
    (root / "folder").mkdir()
    Hurried([root]).delete("", at(root / "folder" / "secret"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root", "secret"]


def test_a_file_in_the_way_of_an_output_is_told(store: LocalStore, root: Path) -> None:
    (root / "file").write_text("file")
    with pytest.raises(Refused, match="is no folder"):
        store.put("", at(root / "file" / "deep" / "out"), io.BytesIO(b"x"))


def test_a_file_that_somebody_goes_on_to_write_is_not_taken_for_data(
    store: LocalStore, root: Path, tmp_path: Path
) -> None:
    (root / "file").write_bytes(bytes(1 << 24))
    over = threading.Event()

    def write() -> None:
        with (root / "file").open("ab", buffering=0) as file:
            while not over.wait(0.0005):
                file.write(b"x")

    writing = threading.Thread(target=write)
    writing.start()
    try:
        with pytest.raises(Refused, match="changes while it is read"):
            store.fetch("", at(root / "file"), tmp_path / "out")
    finally:
        over.set()
        writing.join()
    store.fetch("", at(root / "file"), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (root / "file").read_bytes()


def test_a_file_that_shrinks_is_read_again(store: LocalStore, root: Path, tmp_path: Path) -> None:
    (root / "file").write_bytes(bytes(1 << 20))
    copied, real = [], os.copy_file_range

    def shrink_first(source: int, target: int, count: int, offset: int) -> int:
        if not copied:
            os.truncate(root / "file", 10)
        copied.append(offset)
        return real(source, target, count, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "copy_file_range", shrink_first)  # the system's call: the moment could not be met otherwise
        store.fetch("", at(root / "file"), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == bytes(10)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_may_not_be_read_or_written_is_told_as_that() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        store = LocalStore([root])
        (root / "data").mkdir(mode=0o755)
        (root / "data" / "file").write_text("file")
        (root / "data" / "file").chmod(0o600)
        (root / "data" / "closed").mkdir(mode=0o700)
        os.seteuid(65534)
        try:
            for call in (
                lambda: store.open("", at(root / "data" / "file")),
                lambda: list(store.list("", Location("file", "", f"{root}/data/"))),
                lambda: store.check("", at(root / "out")),
                lambda: store.put("", at(root / "out" / "file"), io.BytesIO(b"x")),
            ):
                with pytest.raises(Refused):
                    call()
        finally:
            os.seteuid(0)


def test_a_folder_that_is_a_file_takes_no_outputs(store: LocalStore, root: Path) -> None:
    (root / "file").write_text("file")
    with pytest.raises(Refused, match="is no folder"):
        store.check("", at(root / "file" / "out"))
