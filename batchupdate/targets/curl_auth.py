"""How the request of a curl command is authenticated, as a target declares it; the keys themselves go nowhere."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

from batchupdate.errors import UsageError
from batchupdate.targets.curl_command import OF_A_BROWSER
from batchupdate.targets.key_names import is_key, is_token

if TYPE_CHECKING:
    from batchupdate.targets.curl_command import CurlRequest

_VARIABLE = re.compile(r"\$\{?(\w+)\}?|%(\w+)%")
_NO_PASSWORD = re.compile(r"(?i)x+|api_?token|unused|none|ignored?|dummy|-|_")
"""What stands for a password where the user is the key, as Freshdesk (X) and Toggl (api_token) document it."""


def auth_of(request: CurlRequest, query: list[tuple[str, str]], label: str, notes: list[str]) -> dict[str, Any]:
    """How the request is authenticated; the keys themselves go nowhere."""
    found: list[tuple[dict[str, Any], str]] = []
    if request.user is not None:
        found.append(_basic(request.user, label))
    for name, value in request.headers:
        if name.lower() == "authorization":
            found.append(_authorization(value, label))
        elif holds_key(name, value):
            found.append(_in_header(name, value))
    found += [({"scheme": "query", "name": name}, value) for name, value in query]
    if not found:
        notes.append(
            "No header or parameter of the command looks like a key. If the API wants one, declare under auth how it "
            "is sent."
        )
        return {"scheme": "none"}
    usual = _variable(label, "API_KEY")
    done = []
    for number, (declared, value) in enumerate(found, 1):
        variable = _VARIABLE.fullmatch(value)
        env = (variable[1] or variable[2]) if variable else usual + (f"_{number}" if number > 1 else "")
        done.append({**declared, "env": env})
    also = "".join(f" Another key is in {one['env']}." for one in done[1:])
    notes.append(f"Set the environment variable {done[0]['env']} to the key; the key itself is not kept.{also}")
    for one, (_, value) in zip(done, found, strict=True):
        if isinstance(one.get("user"), dict) and _NO_PASSWORD.fullmatch(value):
            notes.append(
                f"With {value!r} for a password, the user is taken for the key: set {one['user']['env']} to it, and "
                f"{one['env']} to {value!r}."
            )
    return {**done[0], **({"also": done[1:]} if done[1:] else {})}


def holds_key(name: str, value: str) -> bool:
    """Whether a header or a parameter holds a key, by its name, its value, or the variable that it is."""
    if OF_A_BROWSER.fullmatch(name):
        return False
    variable = _VARIABLE.fullmatch(value)
    return is_key(name) or is_token(value) or (variable is not None and is_key(variable[1] or variable[2]))


def _in_header(name: str, value: str) -> tuple[dict[str, Any], str]:
    """The key in a header of any name, which may have the scheme's name before it."""
    scheme, _, key = value.partition(" ")
    named = scheme.lower() in {"bearer", "basic", "token"} and bool(key.strip())
    return {"scheme": "header", "name": name, "value": f"{scheme} {{key}}" if named else "{key}"}, (
        key.strip() if named else value
    )


def _variable(label: str, what: str) -> str:
    """The name of an environment variable for an API."""
    name = f"{re.sub('[^A-Z0-9]', '_', label.upper())}_{what}"
    return name if not name[0].isdigit() else f"_{name}"


def _basic(text: str, label: str) -> tuple[dict[str, Any], str]:
    user, _, key = text.partition(":")
    if not key and ":" in text:
        raise UsageError(
            "The curl command sends the key as the user, with no password (-u KEY:), which a target can't declare.",
            "Most such APIs take -H 'Authorization: Bearer KEY' as well; write that instead.",
        )
    declared: Any = user
    if _VARIABLE.fullmatch(user):
        declared = {"env": _VARIABLE.sub(r"\1\2", user)}
    elif _NO_PASSWORD.fullmatch(key) and "@" not in user:
        declared = {"env": _variable(label, "API_USER")}
    return {"scheme": "basic", "user": declared}, key


def _authorization(value: str, label: str) -> tuple[dict[str, Any], str]:
    scheme, _, key = value.partition(" ")
    if scheme.lower() == "bearer":
        return {"scheme": "bearer"}, key.strip()
    if scheme.lower() == "basic":
        try:
            return _basic(base64.b64decode(key, validate=True).decode(), label)
        except ValueError:
            return {"scheme": "basic", "user": ""}, key.strip()
    if not key:
        return {"scheme": "header", "name": "Authorization", "value": "{key}"}, value
    return {"scheme": "header", "name": "Authorization", "value": f"{scheme} {{key}}"}, key.strip()
