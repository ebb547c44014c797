"""Formats that a declaration can name in place of a pattern: how such a value looks, and an example for messages."""

from __future__ import annotations

import re

UUID = r"^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$"  # RFC 9562, section 4
ULID = r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}$"  # 128 bits in Crockford's base 32: the first digit ends at 7
ULID_LENGTH = 26
URL = r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/?#]+[^\s]*$"
HEX_COLOR = r"^#?(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})$"  # CSS Color 4, section 5.2

FORMATS: dict[str, tuple[str, str]] = {
    "url": (URL, "a web address such as https://example.com/icon.png"),
    "hex-color": (HEX_COLOR, "a hex colour such as #1A73E8"),
    "uuid": (UUID, "a UUID such as 550e8400-e29b-41d4-a716-446655440000"),
}
"""By name: the pattern (see `batchupdate.util.regex`), and what to call such a value in a message."""


def ulid(prefix: str, *, prefix_required: bool) -> str:
    """The pattern of a ULID that may, or must, begin with a prefix."""
    if not prefix:
        return f"^{ULID}"
    return f"^(?:{re.escape(prefix)}){'' if prefix_required else '?'}{ULID}"
