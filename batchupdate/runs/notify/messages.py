"""Messages through Apprise: mail, Slack, Teams, webhooks, and a hundred others."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from batchupdate.config.notify import Channel
    from batchupdate.runs.notify.news import News

TIMEOUT_S = 60.0

_MENTION = re.compile(r"(?<![\w.])@(?=\w)|<(?=[!@#])")


def opened(url: str, channel: Channel) -> Any:  # noqa: ANN401 - Apprise has no types
    """What sends messages to an Apprise URL.

    Raises:
        ConfigError: Apprise is not installed, or does not know such a URL.
    """
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ImportError as error:
        hint = "Install it with: pip install 'batchupdate[notify]'"
        raise ConfigError("'notify' names a channel, and Apprise is not installed.", hint) from error
    messenger = apprise.Apprise()
    if not messenger.add(url):
        raise ConfigError(
            f"Apprise knows no such URL as the one from {channel.place}.",
            "See how a URL of your service is written in Apprise's documentation.",
        )
    return messenger


async def send(messenger: Any, news: News) -> str:  # noqa: ANN401 - as above
    """Sends a message; returns why that did not work, or ''."""
    kind = "success" if news.fine else "failure" if news.summary is None or news.exit_code > 1 else "warning"
    title, body = _calling_nobody(news.title), _calling_nobody(news.body)
    sending = messenger.async_notify(title=title, body=body, notify_type=kind, body_format="text")
    try:
        delivered = await asyncio.wait_for(sending, TIMEOUT_S)
    except TimeoutError:
        return f"it was not delivered within {TIMEOUT_S:.0f} s"
    except Exception as error:  # noqa: BLE001 - each of its services has errors of its own
        return type(error).__name__
    return "" if delivered else "the service did not take it"


def _calling_nobody(text: str) -> str:
    """The text such that chats see no mention in it, as of @everyone or <!channel>: it can hold what cells hold."""
    return _MENTION.sub("\\g<0>\u200b", text)
