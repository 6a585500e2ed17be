"""Alembic's entry: runs the migrations on the connection that `store.upgrade` hands over."""

from typing import Any

from alembic import context

attributes = context.config.attributes


def _applied(*_: Any, **__: Any) -> None:
    attributes["applied"]()


context.configure(connection=attributes["connection"], transactional_ddl=True, on_version_apply=_applied)
context.run_migrations()
