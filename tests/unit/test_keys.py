"""The first access key of a home."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pegbox.client.connection import NoServer, key_of
from pegbox.home import open_store
from pegbox.keys import KeyRing
from pegbox.settings import Settings
from pegbox.store.credentials import AccessKey


def test_servers_that_start_at_once_make_one_first_key(tmp_path: Path) -> None:
    for number in range(5):
        settings = Settings(home=tmp_path / str(number))
        open_store(settings).close()

        def first(settings: Settings = settings) -> AccessKey:
            store = open_store(settings)
            key = KeyRing(store.keys, settings, lambda: 1.0).first()
            store.close()
            return key

        with ThreadPoolExecutor(4) as servers:
            made = [server.result() for server in [servers.submit(first) for _ in range(4)]]
        assert len({key.id for key in made}) == 1
        assert made[0].id in (settings.home / "credentials").read_text()
        assert not (settings.home / "credentials.before").exists()
        store = open_store(settings)
        assert list(store.keys.all()) == made[:1]
        store.close()


@pytest.mark.parametrize(
    "left",
    [b"[default]\naws_access_key_id = AKIA\naws_sec", b"\xff\xfe", b"\0" * 100],
    ids=["cut short", "rubbish", "zeros"],
)
def test_credentials_that_are_damaged_are_put_aside(tmp_path: Path, left: bytes) -> None:
    settings, file = Settings(home=tmp_path), tmp_path / "credentials"
    store = open_store(settings)
    file.write_bytes(left)
    with pytest.raises(NoServer, match="has no key, which the home's server writes there"):
        key_of(tmp_path)
    key = KeyRing(store.keys, settings, lambda: 1.0).first()
    store.close()
    assert key_of(tmp_path) == {"aws_access_key_id": key.id, "aws_secret_access_key": key.secret}
    assert file.with_suffix(".before").read_bytes() == left
