"""The first access key of a home."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pegbox.app import open_store
from pegbox.keys import KeyRing
from pegbox.settings import Settings
from pegbox.store.base import AccessKey


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
