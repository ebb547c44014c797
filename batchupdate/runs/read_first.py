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
    from batchupdate.targets.precondition import Pulled


@dataclass(frozen=True, slots=True)
class ReadFirst:
    """Says of a row whether its record is read before its change, and what for."""

    target: Target
    check_old: str

    def reads(self, known: Pulled) -> bool:
        """Whether the record is read at all."""
        guarded = self.target.precondition is None or known.versioned
        return self.target.body.base is not None or not guarded or self.compares(known)

    @property
    def keeps_objects(self) -> bool:
        """Whether it is looked at each record that is read what the change would take from its objects."""
        return self.check_old != "never" and self.target.body.nesting == "replace"

    def compares(self, known: Pulled) -> bool:
        """Whether the record is compared with what it should be; a version guards it without that.

        What a plan or an earlier run has seen is always compared. What the sheet alone says is a matter of `check_old`;
        what it expects in so many words, or has the record found by, has no other guard.
        """
        if self.target.read is None:
            return False
        said = bool(known.expected) or any(map(self.target.can_read, known.matched))
        if known.seen is None and (self.check_old == "never" or not (known.old or said)):
            return False
        versioned = known.versioned and self.target.precondition is not None
        return not versioned or self.check_old == "always" or (said and not known.by)


def refuse_unreadable(target: Target, settings: Settings, *, plan: bool = False) -> None:
    """Refuses to promise a comparison for which no record can be read; a `plan` says itself what it can't read.

    Raises:
        ConfigError: `check_old` or `diff` is `always`, or `verify` is set, and the target can't be read.
    """
    if settings.verify and not plan and target.read is None and target.list is None:
        raise ConfigError(
            f"--verify reads each record back, but {target.name} does not declare how records are read.",
            "Add 'read' or 'list' to its declaration (docs/targets.md), or leave --verify out.",
        )
    if settings.diff == "always" and not plan and target.read is None and target.list is None:
        raise ConfigError(
            f"--diff always reads the records first, but {target.name} does not declare how records are read.",
            "Add 'read' or 'list' to its declaration (docs/targets.md), or use --diff auto.",
        )
    if settings.check_old == "always" and target.read is None:
        raise ConfigError(
            f"--check-old always compares old values with the present ones, but {target.name} does not declare how a "
            "record is read.",
            "Add 'read' to its declaration (docs/targets.md), or use --check-old auto.",
        )
