"""`capture`: values of the replies to changes that are to stand in the results, by name."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from batchupdate.config.json_path import check_json_path

HEADER = "headers."
"""What stands before the name of a header."""
MOST = 20
"""Of names; each is a column of the results."""
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)


def _check(text: str) -> str:
    if not text.startswith(HEADER):
        return check_json_path(text)
    if not _HEADER_NAME.fullmatch(text.removeprefix(HEADER)):
        raise ValueError(f"{text!r} names no header; write one as headers.etag")
    return text


CapturedName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
CapturedPath = Annotated[str, AfterValidator(_check)]
Capture = Annotated[dict[CapturedName, CapturedPath], Field(max_length=MOST)]
"""What to keep of a reply: by name a JMESPath expression over its JSON, or `headers.` and the name of a header."""
