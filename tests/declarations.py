"""A target's declaration to try variations of, and what is said about a wrong one."""

from __future__ import annotations

import pytest

from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError
from batchupdate.targets import Target

PLAIN = """\
name: mine
title: My API
base_url: https://api.example.com/base
path: /a/{x}/b/{y}.json
auth:
  env: MY_KEY
id:
  x: {}
  y: {}
fields:
  name: {}
  size: {}
"""


def read(text: str) -> Target:
    return parse(text.encode(), Target, "target", "t.yaml")


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.message


def swapped(old: str, new: str) -> str:
    assert PLAIN.count(old) == 1
    return PLAIN.replace(old, new)


TWO = read(PLAIN)
NESTED = PLAIN.replace(
    "  name: {}\n  size: {}\n", "  name: {}\n  address.city: {}\n  address.geo.lat: {}\n  a\\.b: {}\n"
)
