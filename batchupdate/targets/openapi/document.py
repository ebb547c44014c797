"""An OpenAPI document as plain dictionaries: read from a file, with its `$ref`s resolved one at a time.

Documents come from strangers. So a file's size, its number of YAML nodes and the work of resolving are bounded, and a
reference never leads to the network.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote

import yaml

from batchupdate.errors import ConfigError
from batchupdate.util.text import quoted

Node = dict[str, Any]

MAX_BYTES = 20_000_000
"""Of a document; the largest public ones in JSON have 12 MB."""
MAX_NODES = 1_000_000
"""Of a YAML text; each costs up to a kilobyte while it is read. What an alias stands for counts each time."""
MAX_NESTING = 200
"""Of a text: PyYAML's C code overflows its stack at some thousand levels, and ends the process."""
MAX_MERGED = 100_000
"""Members that YAML's merge keys (`<<`) may copy: a few lines of them unfold to gigabytes."""
MAX_FILES = 500
MAX_WORK = 2_500_000
"""Members looked at while references are resolved: some seconds. All 250 updates of NetBox's document need a tenth."""

_Safe: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times as fast


class _Loader(_Safe):  # type: ignore[valid-type, misc] # one of two classes
    """YAML with the types of JSON alone: a country `NO` is no truth value, and `2026-01-01` no date."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        before = len(node.value)
        super().flatten_mapping(node)
        self.merged += max(len(node.value) - before, 0)
        if self.merged > MAX_MERGED:
            raise yaml.MarkedYAMLError(problem="its merge keys (<<) unfold to too much", problem_mark=node.start_mark)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"(?:true|True|TRUE|false|False|FALSE)", "tTfF"),
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]{0,17})", "-+0123456789"),
    ("float", r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?", "-+0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


class Document:
    """A document and what its references lead to.

    Args:
        root: what the file holds.
        path: the file.
        follow: whether references may lead to other files below the document's folder.
    """

    def __init__(self, root: Node, path: PurePath, *, follow: bool = False) -> None:
        self.root, self.path = root, path
        self.broken: dict[str, str] = {}
        """References that lead nowhere, and why."""
        self._follow = follow
        self._files: dict[str, object] = {"": root}
        self._work = 0

    @property
    def version(self) -> str:
        """`2`, `3.0` or `3.1`; later ones of 3 count as 3.1."""
        if "swagger" in self.root:
            return "2"
        return "3.0" if str(self.root.get("openapi", "")).startswith("3.0") else "3.1"

    def resolve(self, node: object) -> Node:
        """The node that a reference leads to, with the members that stand beside the reference; else the node itself.

        A reference that leads nowhere counts as an empty node, and is kept in `broken`.

        Raises:
            ConfigError: so much had to be resolved that the document can't be meant seriously.
        """
        if not isinstance(node, dict):
            return {}
        beside: Node = {}
        seen: set[str] = set()
        while isinstance(reference := node.get("$ref"), str):
            beside = {**{name: value for name, value in node.items() if name != "$ref"}, **beside}
            if reference in seen:
                self.broken[reference] = "it leads back to itself"
                node = {}
                break
            seen.add(reference)
            found = self._find(reference)
            self._spend(len(beside) + 1)
            node = found if isinstance(found, dict) else {}
        self._spend(len(node))
        return {**node, **beside} if beside else node

    def _spend(self, work: int) -> None:
        self._work += work + 1
        if self._work > MAX_WORK:
            raise ConfigError(
                f"{self.path.name} refers to itself so often that it can't be read.",
                "Cut the document down to the operation that you need.",
            )

    def _find(self, reference: str) -> object:
        file, _, pointer = reference.partition("#")
        try:
            found = self._file(file)
            for part in filter(None, unquote(pointer).split("/")):
                found = _member(found, part.replace("~1", "/").replace("~0", "~"))
        except (LookupError, ValueError) as error:
            self.broken.setdefault(reference, str(error.args[0]) if error.args else "it leads nowhere")
            return None
        return found

    def _file(self, name: str) -> object:
        if name in self._files:
            return self._files[name]
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|//", name):
            raise LookupError("it leads to the network, which is never asked; download it, and refer to the file")
        if not self._follow:
            raise LookupError("it leads to another file; allow that with --follow-refs")
        folder = Path(self.path).parent.resolve()
        path = (folder / unquote(name)).resolve()
        if not path.is_relative_to(folder):
            raise LookupError(f"it leads out of the document's folder ({folder})")
        if len(self._files) >= MAX_FILES:
            raise LookupError(f"it leads to more than {MAX_FILES} files")
        try:
            loaded = _read(path)
        except ConfigError as error:
            raise LookupError(str(error)) from error
        _move_references(loaded, PurePosixPath(path.relative_to(folder).as_posix()))
        self._files[name] = loaded
        return loaded


def _member(node: object, name: str) -> object:
    if isinstance(node, list):
        if not name.isdecimal() or int(name) >= len(node):
            raise LookupError(f"there is no item {quoted(name)}")
        return node[int(name)]
    if isinstance(node, dict):
        if name in node:
            return node[name]
        if name.isdecimal() and int(name) in node:  # a status in YAML is a number
            return node[int(name)]
    raise LookupError(f"there is no {quoted(name)}")


def _move_references(root: object, file: PurePosixPath) -> None:
    """Makes the references in another file relative to the document's folder."""
    left, seen = [root], {id(root)}
    while left:
        node = left.pop()
        inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        for one in inner:
            if isinstance(one, dict | list) and id(one) not in seen:
                seen.add(id(one))
                left.append(one)
        if isinstance(node, dict) and isinstance(reference := node.get("$ref"), str):
            if reference.startswith("#"):
                node["$ref"] = f"{file}{reference}"
            elif ":" not in reference.partition("#")[0]:
                node["$ref"] = str(file.parent / reference)


def load_document(path: Path, *, follow: bool = False) -> Document:
    """Reads a document from a file, in JSON or YAML.

    Args:
        path: the file.
        follow: whether references may lead to other files below the document's folder.

    Raises:
        ConfigError: the file can't be read, is too large, or is no OpenAPI document.
    """
    return _document(_read(path), path, follow=follow)


def document_of(stream: IO[bytes], name: str) -> Document:
    """Reads a document that is no file.

    Args:
        stream: its bytes.
        name: what to call it in a sentence.

    Raises:
        ConfigError: it is too large, or no OpenAPI document.
    """
    raw = bytearray()
    while len(raw) <= MAX_BYTES and (chunk := stream.read(MAX_BYTES + 1 - len(raw))):
        raw += chunk
    return _document(_parsed(bytes(raw), name), PurePosixPath(name), follow=False)


def _document(root: object, path: PurePath, *, follow: bool) -> Document:
    if not isinstance(root, dict) or not ("openapi" in root or "swagger" in root):
        raise ConfigError(
            f"{path} is no OpenAPI document: it has neither 'openapi' nor 'swagger' at its top.",
            "Many makers publish one beside their API's reference, as openapi.yaml or swagger.json.",
        )
    if not isinstance(root.get("paths"), dict):
        raise ConfigError(f"{path} declares no paths, so there is nothing to update.")
    return Document(root, path, follow=follow)


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "this is not a path"
        raise ConfigError(f"The document {path} can't be read: {reason or error}.") from error
    return _parsed(raw, str(path))


def _parsed(raw: bytes, name: str) -> object:
    if len(raw) > MAX_BYTES:
        raise ConfigError(
            f"The document {name} is larger than {MAX_BYTES // 1_000_000} MB.", "Cut it down to what you need."
        )
    try:
        text = raw.decode("utf-8-sig")
        if not text.lstrip().startswith(("{", "[")):
            return _yaml(text, name)
        _check_depth(root := json.loads(text), name)
    except UnicodeDecodeError as error:
        raise ConfigError(f"The document {name} is not UTF-8 text (byte {error.start + 1}).") from error
    except json.JSONDecodeError as error:
        try:
            return _yaml(text, name)  # YAML, too, can begin with a brace
        except ConfigError:
            raise ConfigError(f"{name}:{error.lineno}: this is not valid JSON: {error.msg}.") from error
    except RecursionError as error:
        raise ConfigError(f"The document {name} is nested too deeply.") from error
    except ValueError as error:  # a number of thousands of digits
        raise ConfigError(f"The document {name} can't be read: {error}.") from error
    return root


def _yaml(text: str, name: str) -> object:
    try:
        _check_size(text, name)
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{name}:{mark.line + 1}" if mark else name
        raise ConfigError(f"{line}: this is not valid YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"The document {name} is not valid YAML: {quoted(str(error), 200)}.") from error
    except (RecursionError, ValueError, TypeError) as error:
        raise ConfigError(f"The document {name} can't be read: {type(error).__name__}.") from error


def _check_depth(root: object, name: str) -> None:
    """Refuses what is nested so deeply that code which follows it would end in an error of its own."""
    level = [root]
    for _ in range(MAX_NESTING):
        level = [
            one
            for node in level
            for one in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
            if isinstance(one, dict | list)
        ]
        if not level:
            return
    raise ConfigError(f"The document {name} is nested too deeply.")


def _check_size(text: str, name: str) -> None:
    """Refuses a text that would take too much memory, or is nested too deeply, before anything is made of it."""
    counted = _Counted()
    for event in yaml.parse(text, _Safe):
        if not counted.add(event):
            line = f":{event.start_mark.line + 1}" if event.start_mark else ""
            raise ConfigError(f"{name}{line}: an alias stands inside of what it is for.")
        if len(counted.open_at) > MAX_NESTING:
            raise ConfigError(f"The document {name} is nested too deeply.")
        if counted.nodes > MAX_NODES:
            raise ConfigError(f"The document {name} is too large for YAML.", "Use its JSON, or cut it down.")


@dataclass(slots=True)
class _Counted:
    """The nodes of a YAML text.

    An alias counts as all that it stands for, although it takes no memory: whatever looks at each part would take for
    ever in a few lines of aliases of aliases.
    """

    nodes: int = 0
    open_at: list[tuple[str | None, int]] = field(default_factory=list)
    """The collections around: the anchor, and how many nodes came before."""
    sizes: dict[str | None, int] = field(default_factory=dict)

    def add(self, event: yaml.Event) -> bool:
        """Counts an event; False if it is an alias inside of its own anchor."""
        if isinstance(event, yaml.AliasEvent):
            self.nodes += self.sizes.get(event.anchor, 1)
            return all(event.anchor != anchor for anchor, _ in self.open_at)
        if isinstance(event, yaml.CollectionStartEvent):
            self.open_at.append((event.anchor, self.nodes))
            self.nodes += 1
        elif isinstance(event, yaml.ScalarEvent):
            self.sizes[event.anchor] = 1
            self.nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = self.open_at.pop()
            self.sizes[anchor] = self.nodes - before
        return True
