"""A missing API key is asked for at a terminal; it is kept for this command alone, and never shown."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchupdate.config import Settings
    from batchupdate.targets import Target

T = TypeVar("T")


def with_key(action: Callable[[Mapping[str, str]], T]) -> T:
    """Does what needs the API key; where there is none, and somebody at a terminal, the key is asked for.

    Args:
        action: what to do, with the environment in which the key is looked up; done again once there is a key.

    Raises:
        MissingKey: there is no key, and nobody to ask.
    """
    from batchupdate.config import MissingKey
    from batchupdate.config.api_key import TypedKey

    try:
        return action(os.environ)
    except MissingKey as missing:
        if not sys.stdin.isatty():
            raise
        key = typer.prompt(f"{missing.variable} is not set. API key", hide_input=True, err=True)
        return action(TypedKey({**os.environ, missing.variable: key}))


def environ_with_key(target: Target, settings: Settings) -> Mapping[str, str]:
    """The environment, with the key that a target needs; see `with_key`."""
    from batchupdate.config.api_key import key_source

    def checked(environ: Mapping[str, str]) -> Mapping[str, str]:
        if target.auth.env is not None:
            key_source(target.auth.env, settings, environ)
        return environ

    return with_key(checked)
