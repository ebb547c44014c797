"""A key is found in every spelling in which a server may echo it."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from batchupdate.config import Secrets
from batchupdate.config.secrets import REDACTED, redact_known
from batchupdate.util.unescape import levels

KEY = "sk-ld-7f+Aa/93\"<x>&'\\=="
SECRETS = Secrets([SecretStr(KEY)])
SPELLINGS = {
    "as it is": KEY,
    "percent-encoded": quote(KEY, safe=""),
    "percent-encoded in lower case": quote(KEY, safe="").lower().replace("%2baa", "%2bAa"),
    "percent-encoded in full": "".join(f"%{ord(one):02X}" for one in KEY),
    "percent-encoded twice": quote(quote(KEY, safe=""), safe=""),
    "JSON": json.dumps(KEY)[1:-1],
    "JSON with a slash": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "JSON with codes": "".join(f"\\u{ord(one):04x}" for one in KEY),
    "JSON within JSON": json.dumps(json.dumps(KEY))[1:-1],
    "HTML": html.escape(KEY),
    "HTML with codes": "".join(f"&#{ord(one)};" for one in KEY),
    "HTML with hexadecimal codes": "".join(f"&#x{ord(one):X};" for one in KEY),
    "HTML within JSON": json.dumps(html.escape(KEY))[1:-1],
    "hexadecimal digits": KEY.encode().hex(),
    **{f"Base64 after {n}": base64.b64encode(b"x" * n + KEY.encode() + b"yz").decode() for n in range(4)},
    **{f"Base64 of URLs after {n}": base64.urlsafe_b64encode(b"x" * n + KEY.encode()).decode() for n in range(4)},
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_key_is_redacted_in_every_spelling(spelling: str) -> None:
    text = f"höre: <{spelling}> & 100%"
    redacted = SECRETS.redact(text)
    assert SECRETS.within(text)
    assert not SECRETS.within(redacted)
    assert REDACTED in redacted
    assert redacted.startswith("höre: <")
    assert redacted.endswith("> & 100%")
    assert SECRETS.redact_bytes(text.encode()) == redacted.encode()
    spelt = next(levels(redacted))[-1].text
    assert "ld-7f" not in spelt
    assert not any(base64.b64encode(KEY.encode()[start:])[:12].decode() in spelt for start in range(3))


@pytest.mark.parametrize("ending", ["", "…", "...", '"}', "***"])
@pytest.mark.parametrize("kept", [8, 12, len(KEY) - 1])
def test_a_key_that_was_cut_off_is_redacted(kept: int, ending: str) -> None:
    assert SECRETS.redact(f"wrong key {KEY[:kept]}{ending}") == f"wrong key {REDACTED}{ending}"


@pytest.mark.parametrize("text", ["sk-ld-7", "see sk-ld-7f and others", "%zz \\q &nope; 100%", "%41%42", "a\\nb"])
def test_what_is_no_key_stays_as_it_is(text: str) -> None:
    assert SECRETS.redact(text) == text
    assert not SECRETS.within(text)


def test_bytes_that_are_no_text_stay_as_they_are() -> None:
    data = bytes(range(256))
    assert SECRETS.redact_bytes(data + KEY.encode()) == data + REDACTED.encode()


@given(st.text('%25&#;\\u004aAx"', max_size=20))
def test_every_place_of_a_text_without_escapes_is_found_in_the_text(text: str) -> None:
    for level in levels(text):
        places = [each.origin(len(each.text)) for each in level[:1]]
        assert places == [len(text)]
        deepest = level[-1]
        for place, character in enumerate(deepest.text):
            origin = place
            for each in reversed(level):
                origin = each.origin(origin)
            assert 0 <= origin < len(text)
            assert text[origin] == character or text[origin] in "%\\&"


def test_what_this_process_knows_is_redacted_where_nothing_else_is_known() -> None:
    assert redact_known(f"ValueError: {KEY} at https://ann:pw@example.org/x") == (
        f"ValueError: {REDACTED} at https://{REDACTED}@example.org/x"
    )


def test_a_secret_that_comes_later_is_redacted_too() -> None:
    secrets = Secrets([SecretStr(KEY)])
    secrets.add([SecretStr("a-token-of-later")])
    assert secrets.redact(f"{KEY} a-token-of-later {quote(KEY, safe='')}") == f"{REDACTED} {REDACTED} {REDACTED}"
    assert secrets.within('{"token": "a-token-of-later"}')
