"""A document's security schemes as a target's `auth`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from batchupdate.targets.openapi.access import Access, env_name
from batchupdate.targets.openapi.fields import clean

if TYPE_CHECKING:
    from batchupdate.targets.openapi.document import Document, Node
    from batchupdate.targets.openapi.operations import Operation

_WORD = re.compile(r"\b([A-Za-z][\w-]+) [<{\[`$]*(?:your|api|token|key|private)\b")

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class _Way(NamedTuple):
    """One security scheme: the lower its rank, the less is left to do by hand. No `auth`: it can't be declared."""

    rank: int
    auth: Node
    note: str = ""


def add_auth(access: Access, document: Document, operation: Operation) -> None:
    """Declares how requests authenticate: by that of the document's ways that leaves least to do by hand."""
    security = operation.node.get("security", document.root.get("security"))
    schemes = _schemes(document)
    names = [list(one) for one in security if isinstance(one, dict)] if isinstance(security, list) else []
    if not names and security is None and schemes:
        names = [[name] for name in schemes]
        access.notes.append("The document does not say which authentication this operation wants; check it.")
    ways = [[_way(document, schemes.get(name, {})) for name in together] for together in names if together]
    possible = [way for way in ways if all(one.auth for one in way)]
    if not possible:
        access.auth = {"scheme": "none"}
        access.notes.append(
            "How requests authenticate can't be declared from the document; see docs/targets.md, 'Authentication'."
            if ways
            else "The document names no authentication; if the API wants a key, declare auth."
        )
        return
    best = min(possible, key=lambda way: max(one.rank for one in way))
    first, *others = sorted((one.auth for one in best), key=lambda auth: auth["scheme"] != "oauth2")
    access.auth = dict(first)
    seen = {_carrier(first)}
    for auth in others:
        if _carrier(auth) not in seen and auth["scheme"] != "oauth2":
            seen.add(_carrier(auth))
            suffix = re.sub(r"\W+", "_", str(auth.get("name") or auth["scheme"]).upper(), flags=re.ASCII)
            access.auth.setdefault("also", []).append({**auth, "env": env_name(document, suffix)})
    access.notes += [one.note for one in best if one.note]


def _carrier(auth: Node) -> tuple[bool, str]:
    """What carries the key: two can't share one."""
    return auth["scheme"] == "query", str(auth.get("name") or "authorization").lower()


def _schemes(document: Document) -> dict[str, Node]:
    if document.version == "2":
        found = document.root.get("securityDefinitions")
    else:
        found = document.resolve(document.root.get("components")).get("securitySchemes")
    return {name: document.resolve(one) for name, one in found.items()} if isinstance(found, dict) else {}


def _way(document: Document, node: Node) -> _Way:
    kind, scheme = node.get("type"), str(node.get("scheme")).lower()
    token = {"scheme": "bearer", "env": env_name(document, "TOKEN")}
    if kind == "basic" or (kind == "http" and scheme == "basic"):
        user, key = env_name(document, "USER"), env_name(document, "KEY")
        return _Way(2, {"scheme": "basic", "user": {"env": user}, "env": key})
    if kind == "http":
        note = "" if scheme == "bearer" else f"The scheme {clean(scheme, 40)!r} is unusual; check auth."
        return _Way(5 if note else 0, token, note)
    if kind == "apiKey":
        return _key(document, node, token)
    if kind == "oauth2":
        return _oauth(document, node, token)
    if kind == "openIdConnect":
        return _Way(5, token, "The token is one of OpenID Connect; key_command can print it.")
    return _Way(9, {})


def _key(document: Document, node: Node, token: Node) -> _Way:
    name, key = node.get("name"), {"env": env_name(document, "API_KEY")}
    if not isinstance(name, str) or not _HEADER.fullmatch(name) or node.get("in") not in {"header", "query"}:
        return _Way(9, {})  # a cookie belongs to a browser
    if node.get("in") == "query":
        return _Way(3, {"scheme": "query", "name": name, **key})
    header = {"scheme": "header", "name": name, "value": "{key}", **key}
    if name.lower() != "authorization":
        return _Way(1, header)
    about = str(node.get("description", ""))
    if "bearer" in about.lower():
        return _Way(0, token)
    word = _WORD.search(about.partition(":")[2])
    if word:
        header["value"] = f"{word[1]} {{key}}"
    note = (
        ""
        if word
        else "The key is the whole Authorization header; if the API wants a word before it, write value: 'WORD {key}'."
    )
    return _Way(1, header, note)


def _oauth(document: Document, node: Node, token: Node) -> _Way:
    if document.version == "2":
        flow = node if node.get("flow") == "application" else {}
    else:
        flow = document.resolve(document.resolve(node.get("flows")).get("clientCredentials"))
    url, scopes = flow.get("tokenUrl"), flow.get("scopes")
    if not isinstance(url, str) or not url.startswith("https://") or not urlsplit(url).hostname:
        return _Way(4, token, "The API wants a token of OAuth 2 that its user allows; key_command can print one.")
    declared = {
        "scheme": "oauth2",
        "grant": "client_credentials",
        "token_url": url,
        "client_id": {"env": env_name(document, "CLIENT_ID")},
        "client_secret": {"env": env_name(document, "CLIENT_SECRET")},
    }
    names = clean(", ".join(map(str, scopes)), 200) if isinstance(scopes, dict) else ""
    return _Way(3, declared, f"Name the scopes of OAuth under auth.scopes; there are: {names}." if names else "")
