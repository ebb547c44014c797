"""What of a run must never be written down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.config import Secrets, find_key
from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

    from batchupdate.config import Settings
    from batchupdate.targets import Target


def secrets_of(target: Target, key: SecretStr | None) -> Secrets:
    """What must never be written down: the key, in every form in which it goes out."""
    return Secrets(target.auth.strategy(key).secrets())


def secrets_if_known(target: Target, settings: Settings, environ: Mapping[str, str] | None) -> Secrets:
    """The same where no key is needed: a file that holds the key is refused by `check` as well, if the key is known."""
    try:
        return secrets_of(target, find_key(target.auth.env, settings, environ))
    except ConfigError:
        return Secrets()
