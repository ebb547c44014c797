"""When two headings mean the same column. The reader and the validator must agree on it, so it stands below both."""

from __future__ import annotations

import re

_IGNORED = re.compile(r"[\s_-]+")


def normalise_heading(text: str) -> str:
    """A heading as it is compared: without spaces, underscores and hyphens, and whatever its case.

    `Integration ID`, `integration_id` and `integrationId` are one heading.
    """
    return _IGNORED.sub("", text).casefold()
