"""Which records are read just before their changes.

Either the API wants it so, or it is to be seen whether somebody else has changed them since they were pulled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from batchupdate.config import Settings
    from batchupdate.targets import Target


@dataclass(frozen=True, slots=True)
class ReadFirst:
    """Says of a row whether its record is read before its change, and what for.

    `version` and `old` are whether the row's pulled sheet has the record's version, and old values of what is sent.
    """

    target: Target
    check_old: str

    def reads(self, *, version: bool, old: bool) -> bool:
        """Whether the record is read at all."""
        guarded = self.target.precondition is None or version
        return self.target.body.base is not None or not guarded or self.compares(version=version, old=old)

    def compares(self, *, version: bool, old: bool) -> bool:
        """Whether the old values are compared with what the record has now; a version guards it without that."""
        if not old or self.target.read is None or self.check_old == "never":
            return False
        return self.check_old == "always" or not version or self.target.precondition is None


def refuse_unreadable(target: Target, settings: Settings) -> None:
    """Refuses to promise a comparison for which no record can be read.

    Raises:
        ConfigError: `check_old` is `always`, and the target can't be read.
    """
    if settings.check_old == "always" and target.read is None:
        raise ConfigError(
            f"--check-old always compares old values with the present ones, but {target.name} does not declare how a "
            "record is read.",
            "Add 'read' to its declaration (docs/targets.md), or use --check-old auto.",
        )
