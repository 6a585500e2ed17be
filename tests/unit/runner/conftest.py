from __future__ import annotations

from places import place, possible

__all__ = ["place", "possible"]
