"""What a record's id must look like, as a target's YAML declares it under `id`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from batchupdate.config.yaml_file import MisplacedError, Strict
from batchupdate.targets.formats import FORMATS, ULID_LENGTH, UUID, ulid
from batchupdate.targets.id_encoding import ENCODINGS, IdEncoding
from batchupdate.targets.value_types import Pattern, check_example


class IdRule(Strict):
    """What one part of a record's id must look like. Without a rule, every id is accepted that can be written so.

    `example` is an id that matches the pattern; messages show it in place of the pattern.

    `encode` is how it is written into the URL: `percent`-encoded; `encoded`, as it is percent-encoded already in the
    file; as a `path` of several segments, whose slashes stay; `tilde`-encoded, as Datasette has it; or as its `md5` or
    `sha256` in hexadecimal digits, with `-lower` of the text in lower case, as Mailchimp has it of an e-mail address.
    """

    format: Literal["uuid", "ulid"] | None = None
    prefix: str = ""
    prefix_required: bool = False
    pattern: Pattern | None = None
    example: str = ""
    max_length: int = Field(default=512, ge=1)
    encode: IdEncoding = "percent"
    description: str = ""
    aliases: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.format and self.pattern:
            raise MisplacedError("an id has a format or a pattern, not both; remove pattern", "pattern")
        check_example(self.example, self.pattern, self.format)
        if self.prefix and self.format != "ulid":
            raise MisplacedError("only format ulid has a prefix; use pattern", "prefix")
        return self

    @property
    def regex(self) -> str | None:
        """The pattern of an id under this rule; None where every id is accepted."""
        if self.format == "uuid":
            return UUID
        if self.format == "ulid":
            return ulid(self.prefix, prefix_required=self.prefix_required)
        return self.pattern

    @property
    def wanted(self) -> str:
        """What such an id looks like, for a message."""
        if self.format == "uuid":
            return FORMATS["uuid"][1]
        if self.format == "ulid":
            return f"a ULID such as {self.prefix}01KFRX8K1CKQGCV2W5J9C9Z37H"
        if self.example:
            return f"an id such as {self.example}"
        return f"text that matches {self.pattern}" if self.pattern else "an id"

    def key(self, value: str) -> str:
        """A text that is equal for two spellings of one id: letter case and an optional prefix don't count."""
        if self.format == "uuid":
            return value.lower()
        if self.format == "ulid":
            return value[-ULID_LENGTH:].upper()
        return ENCODINGS[self.encode].key(value)

    def refusal(self, value: str) -> str:
        """What is wrong with an id that can't be written into the URL, to follow it in a sentence; '' if nothing is."""
        return ENCODINGS[self.encode].refusal(value)

    def decoded(self, text: str) -> str:
        """The id that is written so in a path. Only for one that is no hash; `Target` sees to that."""
        decode = ENCODINGS[self.encode].decode
        assert decode is not None  # noqa: S101 - as said
        return decode(text)

    @property
    def is_hashed(self) -> bool:
        """Whether the URL holds a hash, from which the id can't be had back."""
        return ENCODINGS[self.encode].decode is None
