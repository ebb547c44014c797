"""Reads a curl command as people paste it: from a page of documentation, or from a browser's "Copy as cURL".

Nothing is run, no file is opened, and no variable is looked up: `$NAME` and `%NAME%` stay as they stand.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from batchupdate.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 200_000
"""Characters of a command; a longer one is a mistake."""

_FORM = "application/x-www-form-urlencoded"
_ANSI = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "E": "\x1b"}
_SHORT = {"X": "request", "H": "header", "d": "data", "u": "user", "b": "cookie", "F": "form", "T": "upload-file"}
_SHORT |= {"G": "get", "A": "user-agent", "e": "referer", "o": "output", "w": "write-out", "m": "max-time"}
_SHORT |= {"x": "proxy", "E": "cert", "c": "cookie-jar", "K": "config", "I": "head"}
_DATA = {"data", "data-ascii", "data-raw", "data-binary", "data-urlencode", "json"}
_USED = {"request", "header", "user", "url", "oauth2-bearer", *_DATA}
_REFUSED = {
    "cookie": "cookies belong to a browser's session and soon end; use an API key, and remove them",
    "form": "forms with files (multipart) can't be declared; remove it",
    "form-string": "forms with files (multipart) can't be declared; remove it",
    "upload-file": "a file can't be the body; remove it",
    "get": "it makes a GET of the command, which changes nothing",
    "head": "it changes nothing",
    "config": "files are not read; paste the whole command",
}
_IGNORED_WITH_VALUE = {
    *("user-agent", "referer", "output", "write-out", "max-time", "connect-timeout", "retry", "retry-delay", "proxy"),
    *("retry-max-time", "cert", "key", "cacert", "cookie-jar", "resolve", "interface", "limit-rate", "max-redirs"),
    *("dump-header", "trace", "trace-ascii", "proxy-user", "tls-max", "ciphers", "noproxy", "capath", "key-type"),
}
_WHY_IGNORED = {
    "insecure": "certificates are always checked",
    "location": "redirects are not followed",
    "cert": "a client certificate is client_cert in the config",
    "cacert": "a certificate authority is ca_file in the config",
    "proxy": "a proxy is a setting of the config",
}
_SHORT_FLAGS = {"k": "insecure", "L": "location", "s": "silent", "S": "show-error", "v": "verbose", "i": "include"}
_SHORT_FLAGS |= {"f": "fail", "g": "globoff", "N": "no-buffer", "#": "progress-bar", "4": "ipv4", "6": "ipv6"}
_FLAGS = {
    *_SHORT_FLAGS.values(),
    *("compressed", "http1.1", "http2", "http3", "fail-with-body", "no-progress-meter", "tlsv1.2", "tlsv1.3"),
    *("location-trusted", "no-keepalive", "path-as-is", "basic", "no-alpn", "ssl-reqd"),
}
OF_A_BROWSER = re.compile(
    r"(?i)(accept-(encoding|language|charset)|authority|cache-control|connection|content-length|dnt|host|if-.*|origin"
    r"|pragma|priority|referer|sec-.*|te|transfer-encoding|upgrade.*|user-agent|x-requested-with|expect|content-type)"
)
"""Headers that only a browser or curl itself needs."""


@dataclass(slots=True)
class CurlRequest:
    """What a command would send; `left_out` are options that mean nothing here, each with what is to be said of it."""

    url: str = ""
    method: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    is_json: bool = False
    user: str | None = None
    left_out: list[str] = field(default_factory=list)

    @property
    def body(self) -> str:
        """The body: parts of a form joined, those of `--json` one after the other."""
        return ("" if self.is_json else "&").join(self.data)

    def header(self, name: str) -> str | None:
        """The value of the last header of this name."""
        return next((value for key, value in reversed(self.headers) if key.lower() == name), None)


def read_curl(text: str) -> CurlRequest:
    """The request that a command would send.

    Raises:
        UsageError: it is no curl command, or has something in it that a target can't do.
    """
    if len(text) > LONGEST:
        raise UsageError(f"The command has more than {LONGEST:,} characters.", "Paste one command.")
    found = CurlRequest()
    words, rest = (_cmd_words(text), "") if _is_for_cmd(text) else _bash_words(text)
    words = words[1:] if words[:1] == ["$"] else words  # a prompt
    if rest:
        found.left_out.append("what follows the command")
    if not words or words[0].removesuffix(".exe").rpartition("/")[2] != "curl":
        raise UsageError("This is no curl command: it does not begin with curl.", "Paste the whole command, in quotes.")
    options = _options(words[1:])
    for name, value in options:
        _take(found, name, value)
    if not found.url:
        raise UsageError("The curl command has no URL.", "Paste the whole command.")
    found.method = (found.method or ("POST" if found.data else "GET")).upper()
    return found


def _take(found: CurlRequest, name: str, value: str) -> None:
    """Takes in one option."""
    if name in _REFUSED or (name == "header" and re.match(r"\s*cookie\s*:", value, re.IGNORECASE)):
        reason = _REFUSED.get(name, _REFUSED["cookie"])
        raise UsageError(f"The curl command has --{name} in it: {reason}.", "Then try again.")
    if name in _DATA:
        found.data.append(_data(name, value))
        found.is_json |= name == "json"
    elif name == "url":
        if found.url:
            raise UsageError("The curl command has two URLs.", "Paste a command with one request.")
        found.url = value
    elif name == "request":
        found.method = value
    elif name == "user":
        found.user = value
    elif name == "oauth2-bearer":
        found.headers.append(("Authorization", f"Bearer {value}"))
    elif name == "header":
        key, colon, content = value.partition(":")
        if colon and content.strip():
            found.headers.append((key.strip(), content.strip()))
    else:
        why = _WHY_IGNORED.get(name, "")
        found.left_out.append(f"--{name} ({why})" if why else f"--{name}")


def _data(name: str, value: str) -> str:
    """The part of a body that one option gives."""
    reads_files = name != "data-raw"
    key, equals, content = value.partition("=")
    if reads_files and (value.startswith("@") or (name == "data-urlencode" and not equals and "@" in value)):
        raise UsageError(
            f"--{name} takes the body from a file, and files are not read.", "Write what is in it into the command."
        )
    if name == "data-urlencode":
        return f"{key}={quote(content, safe='')}" if equals and key else quote(content if equals else value, safe="")
    return value.replace("\r", "").replace("\n", "") if name in {"data", "data-ascii"} else value


def _options(words: list[str]) -> Iterator[tuple[str, str]]:
    """The options by their long names, each with its value; a word that is none is the URL."""
    rest = iter(words)

    def value_of(name: str) -> str:
        value = next(rest, None)
        if value is None:
            raise UsageError(f"The curl command ends after --{name}, which needs a value.", "Paste the whole command.")
        return value

    for word in rest:
        if word.startswith("--"):
            name = word[2:]
            if name in _FLAGS or name.startswith("no-"):
                yield name, ""
            elif name in _USED | _IGNORED_WITH_VALUE or (name in _REFUSED and name not in {"get", "head"}):
                yield name, value_of(name)
            elif name in {"get", "head"}:
                yield name, ""
            else:
                raise UsageError(f"The curl command has an option that is not known here: --{name}.", "Remove it.")
        elif word.startswith("-") and len(word) > 1:
            yield from _short(word[1:], value_of)
        else:
            yield "url", word


def _short(letters: str, value_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    """The options in a word such as `-sSXPATCH`: flags, and at its end one that has a value."""
    for at, letter in enumerate(letters):
        if flag := _SHORT_FLAGS.get(letter):
            yield flag, ""
        elif name := _SHORT.get(letter):
            if name in {"get", "head"}:
                yield name, ""
                continue
            yield name, letters[at + 1 :] or value_of(name)
            return
        else:
            raise UsageError(f"The curl command has an option that is not known here: -{letter}.", "Remove it.")


# ---- words, as a shell makes them ----


def _is_for_cmd(text: str) -> bool:
    """Whether a command is written for cmd.exe, where a caret is what a backslash is in bash."""
    return bool(re.search(r'\^[ \t]*\r?\n|\^"|\^[ \t]*$', text))


_CARETS = re.compile(r'"[^"]*"?|\^\r?\n(\r?\n)?|\^(.)', re.DOTALL)
_CMD = re.compile(r'(?P<slashes>\\*)"(?P<second>"?)|(?P<blank>\s+)|\\+|[^\\"\s]+')


def _cmd_words(text: str) -> list[str]:
    """The words that curl gets from cmd.exe: first the carets go, then the quotes, as Microsoft's C runtime has it."""
    plain = _CARETS.sub(
        lambda found: found[0] if found[0].startswith('"') else found[1] or found[2] or "", text.strip()
    )
    words: list[str] = [""]
    quoted = False
    for found in _CMD.finditer(plain):
        if found["slashes"] is not None:
            count = len(found["slashes"])
            words[-1] += "\\" * (count // 2)
            inside = bool(count % 2) or (quoted and bool(found["second"]))
            words[-1] += '"' if inside else ""
            if bool(found["second"]) == bool(count % 2):
                quoted = not quoted
        elif found["blank"] and not quoted:
            words.append("")
        else:
            words[-1] += found[0]
    if quoted:
        raise _open_quote()
    return words


_BASH = re.compile(
    r"""
    (?P<joined>\\\r?\n) | \\(?P<escaped>.) | \$'(?P<ansi>(?:\\.|[^'\\])*)' | '(?P<single>[^']*)'
    | "(?P<double>(?:\\.|[^"\\])*)" | (?P<open>['"]) | (?P<blank>\s+) | (?P<command>`|\$\() | (?P<plain>.)
    """,
    re.DOTALL | re.VERBOSE,
)
_IN_DOUBLE = re.compile(r'\\(?:\r?\n|(["\\$`]))')
_IN_ANSI = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|([0-7]{1,3})|(.))", re.DOTALL)


def _bash_words(text: str) -> tuple[list[str], str]:
    """The words that curl gets from bash, and what follows the command, such as a pipe."""
    words: list[str] = []
    inside = False
    for found in _BASH.finditer(text):
        if blank := found["blank"]:
            inside = False
            if "\n" in blank and words:
                return words, text[found.end() :].strip()
        elif (plain := found["plain"]) and (plain in "|;" or (not inside and plain in "&>#")):
            return words, text[found.start() :].strip()
        elif found["joined"] is None:
            part = _bash_part(found)
            words[-1:] = [words[-1] + part] if inside else [*words[-1:], part]
            inside = True
    return words, ""


def _bash_part(found: re.Match[str]) -> str:
    """The text of a part of a word, without its quotes."""
    if found["open"]:
        raise _open_quote()
    if found["command"] or re.search(r"(?<!\\)(`|\$\()", found["double"] or ""):
        raise UsageError(
            "The curl command runs another command, and nothing is run here.", "Write what that prints in its place."
        )
    if found["ansi"] is not None:
        text = _IN_ANSI.sub(_ansi_character, found["ansi"])
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if found["double"] is not None:
        return _IN_DOUBLE.sub(lambda one: one[1] or "", found["double"])
    return found["single"] or found["escaped"] or found["plain"] or ""


def _ansi_character(found: re.Match[str]) -> str:
    if found[5]:
        return _ANSI.get(found[5], found[5])
    digits = next(group for group in found.groups() if group)
    number = int(digits, 8 if found[4] else 16)
    return chr(number) if number <= sys.maxunicode else "\ufffd"


def _open_quote() -> UsageError:
    return UsageError("The curl command has a quotation mark that is not closed.", "Paste the whole command.")
