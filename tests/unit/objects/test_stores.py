"""The stores that live on this host, against the conformance suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.objects.base import Location
from pegbox.objects.files import FileStore
from pegbox.objects.local import LocalStore
from pegbox.objects.routed import RoutedStore
from pegbox.testing.object_store_suite import ACCOUNT, ObjectStoreSuite


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileStore]:
    store = FileStore(tmp_path / "objects")
    store.buckets.create(ACCOUNT, "bucket", "us-east-1")
    yield store
    store.close()


class TestFileStore(ObjectStoreSuite):
    @pytest.fixture
    def store(self, files: FileStore) -> FileStore:
        return files

    @pytest.fixture
    def base(self) -> Location:
        return Location("s3", "bucket", "")


class TestLocalStore(ObjectStoreSuite):
    has_buckets = False

    @pytest.fixture
    def store(self, tmp_path: Path) -> LocalStore:
        return LocalStore([tmp_path / "data"])

    @pytest.fixture
    def base(self, tmp_path: Path) -> Location:
        return Location("file", "", f"{tmp_path.resolve()}/data/")


class TestRoutedStoreToFiles(TestFileStore):
    @pytest.fixture
    def store(self, files: FileStore, tmp_path: Path) -> RoutedStore:  # type: ignore[override]
        return RoutedStore(files, LocalStore([tmp_path / "data"]))


class TestRoutedStoreToLocalFiles(TestLocalStore):
    @pytest.fixture
    def store(self, files: FileStore, tmp_path: Path) -> RoutedStore:  # type: ignore[override]
        return RoutedStore(files, LocalStore([tmp_path / "data"]))
