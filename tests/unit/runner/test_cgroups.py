"""Control groups of version 2 in a tree of files that look like them (Documentation/admin-guide/cgroup-v2.rst).

What the kernel does with such files is its own: test_limits.py has that tried, with whatever version the machine has.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pegbox.runner import cgroups
from pegbox.runner.cgroups import CONTROLLERS, Group
from pegbox.runner.limits import Limits

SERVICE = "user.slice/user-1000.slice/user@1000.service/app.slice/pegbox.service"


class Tree:
    """A hierarchy, and a process in one of its groups."""

    def __init__(self, folder: Path, own: str) -> None:
        self.root, self.process = folder / "cgroup", folder / "self"
        self.process.mkdir()
        (self.process / "cgroup").write_text(f"0::{own}\n")
        (self.process / "mounts").write_text(f"cgroup2 {self.root} cgroup2 rw,nosuid,nsdelegate 0 0\n")
        for group in (Path(own.lstrip("/")), *Path(own.lstrip("/")).parents):
            self.group(group)

    def group(self, group: Path | str, passed_on: str = "cpuset cpu io memory pids") -> Path:
        place = self.root / group
        place.mkdir(parents=True, exist_ok=True)
        for name, text in {
            "controllers": "cpuset cpu io memory pids",
            "subtree_control": passed_on,
            "procs": "",
        }.items():
            (place / f"cgroup.{name}").write_text(f"{text}\n")
        if place != self.root:
            (place / "cgroup.type").write_text("domain\n")
        return place

    def found(self) -> dict[str, tuple[Path, bool]]:
        return cgroups.hierarchies(self.process)


@pytest.mark.parametrize(
    ("own", "parent"),
    [
        (f"/{SERVICE}", SERVICE.rpartition("/")[0]),  # in a user's session
        ("/system.slice/pegbox.service/server", "system.slice/pegbox.service"),  # DelegateSubgroup=server
        ("/pegbox", "."),
        ("/", "."),  # a machine without systemd
    ],
)
def test_groups_are_made_beside_our_own(tmp_path: Path, own: str, parent: str) -> None:
    tree = Tree(tmp_path, own)
    assert tree.found() == {controller: (tree.root / parent, True) for controller in CONTROLLERS}


def test_only_controllers_that_are_passed_on_are_used(tmp_path: Path) -> None:
    tree = Tree(tmp_path, f"/{SERVICE}")
    parent = tree.group(SERVICE.rpartition("/")[0], passed_on="pids")
    (parent / "cgroup.controllers").write_text("memory pids\n")
    (parent / "cgroup.subtree_control").unlink()
    (parent / "cgroup.subtree_control").symlink_to("/proc/version")  # names none and takes none
    assert tree.found() == {}
    (parent / "cgroup.controllers").write_text("cpuset\n")
    assert tree.found() == {}


@pytest.mark.parametrize(("kind", "processes"), [("domain", "1\n17\n"), ("domain threaded", ""), ("threaded", "")])
def test_below_a_group_with_processes_there_can_be_no_other(tmp_path: Path, kind: str, processes: str) -> None:
    """As in a container, where we are in what looks like the root and has a type."""
    tree = Tree(tmp_path, "/")
    tree.group(".", passed_on="")
    (tree.root / "cgroup.type").write_text(f"{kind}\n")
    (tree.root / "cgroup.procs").write_text(processes)
    assert tree.found() == {}
    assert (tree.root / "cgroup.subtree_control").read_text() == "\n"


@pytest.mark.parametrize("own", ["/elsewhere/docker-1/init.scope", "/../beside/us"], ids=["of the host", "outside"])
def test_a_group_that_is_not_below_the_mount_is_none(tmp_path: Path, own: str) -> None:
    tree = Tree(tmp_path, "/")
    (tree.process / "cgroup").write_text(f"0::{own}\n")
    assert tree.found() == {}


def test_with_both_versions_the_one_with_the_controllers_counts(tmp_path: Path) -> None:
    tree = Tree(tmp_path, "/")
    for name in ("cgroup.controllers", "cgroup.subtree_control"):
        (tree.root / name).write_text("hugetlb\n")
    (tmp_path / "pids/ours").mkdir(parents=True)
    with (tree.process / "mounts").open("a") as mounts:
        mounts.write(f"cgroup {tmp_path}/pids cgroup rw,relatime,pids 0 0\n")
    (tree.process / "cgroup").write_text("3:pids:/ours\n1:name=systemd:/\n0::/\n")
    assert tree.found() == {"pids": (tmp_path / "pids/ours", False)}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A tree in which groups are made."""
    tree = Tree(tmp_path, f"/{SERVICE}")
    monkeypatch.setattr(cgroups.hierarchies, "__defaults__", (tree.process,))
    return tree


def test_what_a_group_is_told(tree: Tree) -> None:
    group = Group.make("job", Limits(memory=1 << 30, processes=50, cpus=3))
    place = tree.root / SERVICE / "../job"
    assert {path.name: path.read_text() for path in place.iterdir()} == {
        "memory.max": str(1 << 30),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "50",
        "cpu.max": "300000 100000",
    }
    group.join()
    assert (place / "cgroup.procs").read_text() == "0"
    assert not group.killed_for_memory() and not group.refused_a_process()
    (place / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 0\noom_group_kill 0\n")
    (place / "pids.events").write_text("max 0\n")
    assert not group.killed_for_memory() and not group.refused_a_process()
    (place / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n")
    (place / "pids.events").write_text("max 7\n")
    assert group.killed_for_memory() and group.refused_a_process()


def test_without_limits_there_is_no_group(tree: Tree) -> None:
    assert Group.make("job", Limits()).places == {}
    assert not (tree.root / SERVICE / "../job").exists()
    tree.group(SERVICE.rpartition("/")[0], passed_on="pids")
    (tree.root / SERVICE / "../cgroup.controllers").write_text("pids\n")
    group = Group.make("job", Limits(memory=1 << 30, processes=50))
    assert set(group.places) == {"pids"}
    assert [path.name for path in group.places["pids"].iterdir()] == ["pids.max"]
