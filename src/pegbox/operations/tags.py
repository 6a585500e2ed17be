"""Tags as requests give them.  (API reference, Tag.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.errors import ValidationException


def checked(request: Mapping[str, Any]) -> list[dict[str, str]]:
    """The request's tags.  Raises ValidationException for a key that is reserved or given twice."""
    tags = request.get("Tags") or []
    keys = [tag["Key"] for tag in tags]
    for key in keys:
        if key.lower().startswith("aws:"):
            raise ValidationException(f"The tag key [{key}] is reserved: keys can't begin with aws:.")
        if keys.count(key) > 1:
            raise ValidationException(f"The tag key [{key}] is given more than once.")
    return list(tags)
