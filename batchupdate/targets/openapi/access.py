"""Where an API is and what it asks of every request: servers, authentication, parameters besides the record's id."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from batchupdate.errors import UsageError
from batchupdate.targets.openapi.fields import clean
from batchupdate.targets.openapi.operations import PLACEHOLDER
from batchupdate.targets.openapi.parameters import text_rule
from batchupdate.targets.openapi.schema import Schemas
from batchupdate.targets.request_headers import check_headers
from batchupdate.targets.url_template import normalise_base_url

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from batchupdate.targets.openapi.document import Document, Node
    from batchupdate.targets.openapi.operations import Operation

_SANDBOX = re.compile(
    r"(?i)\b(?:sandbox|staging|dev|test|testing|mock|demo|localhost)\b|127\.0\.0\.1|example\.(?:com|org)"
)
_KEPT = frozenset("-._~!$&'()*+,;=:@%/")


@dataclass(slots=True)
class Access:
    """The declaration's parts that are not about the record; `notes` are sentences for the user."""

    base_url: str | None = None
    prefix: str = ""
    variables: dict[str, Node] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    query: list[str] = field(default_factory=list)
    auth: Node = field(default_factory=dict)
    idempotency: str = ""
    guard: str = ""
    """The header in which the API wants the version of the record, if it wants one."""
    notes: list[str] = field(default_factory=list)

    def variable(self, name: str, taken: Collection[str], **rule: str) -> str:
        """Declares a variable under a name of its own; returns that name."""
        base = re.sub(r"\W+", "_", name.lower(), flags=re.ASCII).strip("_") or "value"
        base = base if base[0].isalpha() and base not in {"key", "fields"} else f"v_{base}"
        while base in taken or base in self.variables:
            base += "_"
        self.variables[base] = {one: text for one, text in rule.items() if text}
        return base


def env_name(document: Document, suffix: str) -> str:
    """An environment variable named after the API."""
    info = document.root.get("info")
    title = str(info.get("title", "")) if isinstance(info, dict) else ""
    words = re.findall(r"[A-Z0-9]+", title.upper().encode("ascii", "ignore").decode())
    words = [word for word in words if word not in {"API", "REST", "OPENAPI", "SPECIFICATION", "THE", "SWAGGER"}]
    name = "_".join([*words[:3], suffix])
    return name if name[0].isalpha() else f"API_{name}"


# ---- servers ----


def servers_of(document: Document, operation: Operation) -> list[tuple[str, Node]]:
    """The servers' URLs, as the document has them, each with the node that describes it."""
    root = document.root
    if document.version == "2":
        host, base = root.get("host"), root.get("basePath")
        base = base if isinstance(base, str) else ""
        schemes = root.get("schemes")
        kinds = schemes if isinstance(schemes, list) and schemes else ["https"]
        scheme = "https" if "https" in kinds else str(kinds[0])
        return [(f"{scheme}://{host}{base}" if isinstance(host, str) else base, {})]
    found = operation.servers if isinstance(operation.servers, list) else []
    nodes = [one for one in found if isinstance(one, dict) and isinstance(one.get("url"), str)]
    return [(node["url"].strip(), node) for node in nodes] or [("", {})]


def preferred(servers: Sequence[tuple[str, Node]]) -> int:
    """The number (from 0) of the first server that does not look like a sandbox."""
    for number, (url, node) in enumerate(servers):
        if url and not _SANDBOX.search(f"{url} {node.get('description', '')}"):
            return number
    return 0


def add_server(access: Access, servers: Sequence[tuple[str, Node]], number: int | None, taken: Collection[str]) -> None:
    """Sets the base URL.

    Args:
        access: gets it.
        servers: see `servers_of`.
        number: which of them, from 1; None for the preferred one.
        taken: names that no variable may have.

    Raises:
        UsageError: there is no such server.
    """
    if number is not None and not 1 <= number <= len(servers):
        listed = "; ".join(f"{at} {url}" for at, (url, _) in enumerate(servers, 1))
        raise UsageError(f"The document has no server {number}.", f"It has: {listed}.")
    chosen = preferred(servers) if number is None else number - 1
    url, node = servers[chosen]
    others = [f"{at} {each}" for at, (each, _) in enumerate(servers, 1) if at != chosen + 1 and each]
    if others:
        access.notes.append(f"The base URL is {url}; others (--server N): {clean('; '.join(others), 300)}.")
    declared = node.get("variables")
    rules: Mapping[str, Any] = declared if isinstance(declared, dict) else {}
    if url.startswith("{"):  # a variable for a whole address
        url = PLACEHOLDER.sub(lambda name: _default(rules.get(name[1])) or name[0], url)
    filled = PLACEHOLDER.sub(lambda name: name[0] if _one_label(rules.get(name[1])) else _default(rules[name[1]]), url)
    text = filled.partition("?")[0].rstrip("/")
    if text.startswith("//"):
        text = f"https:{text}"
    try:
        normalise_base_url(PLACEHOLDER.sub("x", text))
    except ValueError:
        if text.startswith("/") and not PLACEHOLDER.search(text):
            access.prefix = _encoded(text)
        access.notes.append("The document does not say where the API is; give it with --base-url, or as base_url.")
        return
    access.base_url = PLACEHOLDER.sub(
        lambda name: f"{{{_server_variable(access, name[1], rules.get(name[1]), taken)}}}", text
    )


def _server_variable(access: Access, name: str, rule: object, taken: Collection[str]) -> str:
    node = rule if isinstance(rule, dict) else {}
    values = [one for one in node.get("enum") or () if isinstance(one, str)]
    pattern = f"^(?:{'|'.join(map(re.escape, values))})$" if values else ""
    default = _default(rule)
    description = clean(str(node.get("description", "")), 160)
    return access.variable(
        name, taken, default="" if values and default not in values else default, description=description,
        pattern=pattern, example=values[0] if values else "",
    )  # fmt: skip


def _default(rule: object) -> str:
    default = rule.get("default") if isinstance(rule, dict) else None
    return str(default) if isinstance(default, str | int | float) and not isinstance(default, bool) else ""


def _one_label(rule: object) -> bool:
    """Whether a server's variable is a part of a host or a path, and not several of them, nor nothing."""
    return rule is None or re.fullmatch(r"[\w.-]+", _default(rule) or "x") is not None


# ---- parameters besides the record's id ----


def add_parameters(access: Access, document: Document, operation: Operation, taken: Collection[str]) -> None:
    """Adds the headers and query parameters that every request needs."""
    for one in operation.parameters:
        place, name = one.get("in"), one["name"]
        if place == "header" and re.fullmatch(r"(?i)(x-)?idempoten(cy|t)[-_]?key", name):
            access.idempotency = name
        if one.get("required") is not True or place not in {"header", "query"}:
            continue
        rule = _rule_of(document, one)
        if place == "query":
            access.query.append(f"{quote(name, safe='')}={value_of(access, document, name, rule, taken)}")
        elif name.lower() not in {"accept", "content-type", "authorization"} and name != access.idempotency:
            if name.lower() == "if-match":
                access.guard = name
            elif _may_send(name, access.auth):
                access.headers[name] = value_of(access, document, name, rule, taken, header=True)


def _rule_of(document: Document, parameter: Node) -> Node:
    schema = Schemas(document).plain(parameter.get("schema"))
    return {**schema, **{name: value for name, value in parameter.items() if name not in {"schema", "required", "in"}}}


def fixed_value(rule: Node) -> str | None:
    """The value of a parameter that a document settles: a constant, a default, or the only one."""
    values = rule.get("enum")
    only = values[0] if isinstance(values, list) and len(values) == 1 else None
    for value in (rule.get("const"), rule.get("default"), only):
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str | int | float) and str(value).isprintable() and not PLACEHOLDER.search(str(value)):
            return str(value)
    return None


def value_of(
    access: Access, document: Document, name: str, rule: Node, taken: Collection[str], *, header: bool = False
) -> str:
    """What to send for a required parameter: a value that the document settles, else a variable."""
    value = fixed_value(rule)
    if value and (not header or value.isascii()):
        return value if header else quote(value, safe="")
    description = clean(str(rule.get("description", "")), 160)
    env = env_name(document, re.sub(r"\W+", "_", name.upper(), flags=re.ASCII).strip("_") or "VALUE")
    return f"{{{access.variable(name, taken, env=env, description=description, **text_rule(rule))}}}"


def _may_send(name: str, auth: Node) -> bool:
    parts = [auth, *auth.get("also", ())]
    own = {str(part.get("name") or "Authorization").lower() for part in parts if part.get("scheme") != "query"}
    try:
        check_headers([name], own, None)
    except ValueError:
        return False
    return re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) is not None


# ---- paths ----


def _encoded(text: str) -> str:
    return "".join(
        letter if letter in _KEPT or (letter.isalnum() and letter.isascii()) else quote(letter) for letter in text
    )


def encoded_path(path: str, names: Mapping[str, str]) -> str:
    """A document's path as a target's: percent-encoded, with the target's names of its variables."""
    parts = re.split(r"(\{[^{}]*\})", path)
    return "".join(
        f"{{{names[one[1:-1]]}}}" if one.startswith("{") and one.endswith("}") else _kept(one) for one in parts
    )


def _kept(text: str) -> str:
    fixed, mark, query = text.partition("?")
    return _encoded(fixed.partition("#")[0]) + (mark + query if mark else "")
