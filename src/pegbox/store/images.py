"""Training images: what a name means on a machine without containers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, bindparam, delete, select

from pegbox.store import connections, schema
from pegbox.store.dialects import insert
from pegbox.store.image import Image
from pegbox.store.prepared import Prepared

_images = schema.image
_columns = [column.name for column in _images.columns]
_by_name = Prepared(select(_images).where(_images.c.name == bindparam("name")))


class Images:
    """The registered images."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, name: str) -> Image | None:
        """The image with exactly this name."""
        with connections.reading(self._engine) as connection:
            row = _by_name.first(connection, {"name": name})
        return _image(row) if row else None

    def all(self) -> Sequence[Image]:
        """Every image, by name."""
        with connections.reading(self._engine) as connection:
            return [_image(row) for row in connection.execute(select(_images).order_by(_images.c.name))]

    def put(self, image: Image) -> None:
        """Register an image, in place of one of the same name."""
        values = {
            "name": image.name,
            "command": json.dumps(list(image.command)),
            "workdir": image.workdir,
            "environment": json.dumps(dict(image.environment)),
            "python": image.python,
            "binds": json.dumps(list(image.binds)),
            "arguments": json.dumps(list(image.arguments)),
            "created_at": image.created_at,
        }
        putting = insert(self._engine.dialect.name, _images).values(**values)
        with connections.writing(self._engine) as connection:
            connection.execute(putting.on_conflict_do_update(index_elements=[_images.c.name], set_=values))

    def remove(self, name: str) -> bool:
        """Forget an image; False if there is none of this name."""
        with connections.writing(self._engine) as connection:
            return connection.execute(delete(_images).where(_images.c.name == name)).rowcount == 1


def _image(row: Sequence[Any]) -> Image:
    return _parsed(tuple(row))


@lru_cache(64)  # whoever starts training jobs asks for the same few again and again
def _parsed(row: tuple[Any, ...]) -> Image:
    got = dict(zip(_columns, row, strict=True))
    return Image(
        name=got["name"],
        command=tuple(json.loads(got["command"])),
        workdir=got["workdir"],
        environment=json.loads(got["environment"]),
        python=got["python"],
        binds=tuple(json.loads(got["binds"])),
        arguments=tuple(json.loads(got["arguments"])),
        created_at=got["created_at"],
    )
