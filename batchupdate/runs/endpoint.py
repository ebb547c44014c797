"""Which API a run talks to, and what of it must never be written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.config import Secrets, find_key
from batchupdate.errors import ConfigError
from batchupdate.targets import Target, find_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from batchupdate.config import Settings


def target_of(settings: Settings) -> Target:
    """The target that the settings name.

    Raises:
        ConfigError: they name none, or there is none of that name.
    """
    if settings.target is None:
        raise ConfigError("No target is named.", "Name one with --target; list them with: batchupdate targets")
    return find_target(settings.target)


def secrets_of(target: Target, key: SecretStr | None) -> Secrets:
    """What must never be written down: the key, in every form in which it goes out."""
    return Secrets(target.auth.strategy(key).secrets())


def secrets_if_known(target: Target, settings: Settings, environ: Mapping[str, str] | None) -> Secrets:
    """The same where no key is needed: a file that holds the key is refused by `check` as well, if the key is known."""
    try:
        return secrets_of(target, find_key(target.auth.env, settings, environ))
    except ConfigError:
        return Secrets()
