"""What a command says where nobody sees it: that a run did not begin."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from batchupdate.errors import BatchUpdateError, InternalError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate.cli.confirm_and_send import Consent
    from batchupdate.cli.console import Screen
    from batchupdate.config import Settings


@contextmanager
def tells_refusals(settings: Settings, what: str, screen: Screen, consent: Consent) -> Iterator[None]:
    """Tells whom the settings name that a command did not come to its end, unless a person sits before it.

    What a run came to is told by the run itself.
    """
    if consent.dry_run or consent.asks or not settings.notify.model_fields_set:
        yield
        return
    from batchupdate.runs.notify import Announcer
    from batchupdate.util import event_loop

    announcer = Announcer.of(settings)
    try:
        yield
    except (typer.Exit, typer.Abort, Interrupted):
        raise
    except Exception as error:
        why = error if isinstance(error, BatchUpdateError) else InternalError(f"{type(error).__name__}.", "")
        for sentence in event_loop.run(announcer.refused(why, what)):
            screen.result(sentence, style="yellow", failure=True)
        raise


def tell_idle(settings: Settings, what: str, screen: Screen, consent: Consent) -> None:
    """Tells health check and metrics that a command had nothing to do: a check raises the alarm where nothing comes."""
    if consent.dry_run or consent.asks or not settings.notify.model_fields_set:
        return
    from batchupdate.runs.notify import Announcer
    from batchupdate.util import event_loop

    for sentence in event_loop.run(Announcer.of(settings).idle(what)):
        screen.result(sentence, style="yellow", failure=True)
