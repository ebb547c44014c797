"""Who is told of a run, and how: messages, a health check, a file of metrics, and a command."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from batchupdate.config.secret_file import read_secret_file
from batchupdate.config.yaml_file import Strict, one_or_more
from batchupdate.errors import ConfigError
from batchupdate.util.loopback import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

Occasion = Literal["failure", "finish", "change", "unusual"]


def _words(value: object) -> object:
    """Reads a command as its words.

    Raises:
        ValueError: a quotation mark is left open.
    """
    return tuple(shlex.split(value, posix=sys.platform != "win32")) if isinstance(value, str) else value


class SecretUrl(Strict):
    """Where a URL with a secret in it comes from: an environment variable, or a file. It never stands in the config."""

    env: str | None = Field(default=None, min_length=1)
    file: Annotated[Path, Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("say either 'env' or 'file': where the URL comes from")
        return self

    @property
    def place(self) -> str:
        """Where it comes from, as a part of a sentence."""
        return f"the environment variable {self.env}" if self.file is None else f"the file {self.file}"

    def read(self, environ: Mapping[str, str] | None = None) -> SecretStr:
        """The URL.

        Raises:
            ConfigError: there is none.
        """
        environ = os.environ if environ is None else environ
        place = self.place[0].upper() + self.place[1:]
        text = environ.get(self.env or "", "") if self.file is None else read_secret_file(self.file, place)
        url = text.strip()
        if not url:
            hint = "'notify' in the config names it; it must hold a URL."
            raise ConfigError(f"{place} is {'not set' if self.file is None else 'empty'}.", hint)
        if "://" not in url or not url.isprintable() or " " in url:
            raise ConfigError(f"{place} does not hold a URL.")
        return SecretStr(url)


class Channel(SecretUrl):
    """Where messages go, as an Apprise URL, and on which occasions."""

    when: Annotated[
        tuple[Occasion, ...],
        BeforeValidator(one_or_more, json_schema_input_type=Occasion | list[Occasion]),
        Field(strict=False, min_length=1),
    ] = ("failure",)


class Health(SecretUrl):
    """A health check that is pinged at the start and at the end, and raises the alarm itself where no ping comes."""

    style: Literal["healthchecks", "cronitor"] = "healthchecks"

    def read(self, environ: Mapping[str, str] | None = None) -> SecretStr:
        """The URL; see `SecretUrl`. Without TLS, only a machine's own is pinged."""
        secret = super().read(environ)
        try:
            parts = urlsplit(secret.get_secret_value())
            sound = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        except ValueError:
            sound = False
        if not sound:
            raise ConfigError(f"The URL of the health check, from {self.place}, must begin with https://.")
        return secret


class Notify(Strict):
    """Who is told of a run, and how.

    `to` are the channels of messages. `metrics_file` is written for the textfile collector of Prometheus's
    node_exporter. `on_finish` is a command, run without a shell once the reports are written, with the path of
    `summary.json` as its last argument.
    """

    to: Annotated[tuple[Channel, ...], Field(strict=False)] = ()
    health: Health | None = None
    metrics_file: Annotated[Path, Field(strict=False)] | None = None
    on_finish: Annotated[
        tuple[str, ...], BeforeValidator(_words, json_schema_input_type=str | list[str]), Field(strict=False)
    ] = ()

    @model_validator(mode="after")
    def _metrics_are_found(self) -> Self:
        if self.metrics_file is not None and self.metrics_file.suffix != ".prom":
            raise ValueError("'metrics_file' must end in .prom: node_exporter reads no others")
        return self
