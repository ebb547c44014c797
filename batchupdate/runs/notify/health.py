"""Pings of a health check, as healthchecks.io and Cronitor take them.

healthchecks.io: POST to the URL for success, `/start` and `/fail` after it, with a text
(https://healthchecks.io/docs/http_api/). Cronitor: GET with `state=run`, `complete` or `fail`, and `message`
(https://cronitor.io/docs/telemetry-api).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from yarl import URL

if TYPE_CHECKING:
    from batchupdate.config import Settings

State = Literal["start", "success", "failure"]

TIMEOUT_S = 10.0
MOST_OF_MESSAGE = 2_000
"""Characters; Cronitor takes 2,000, and healthchecks.io more."""

_PATHS = {"start": "/start", "success": "", "failure": "/fail"}
_STATES = {"start": "run", "success": "complete", "failure": "fail"}


async def ping(url: str, style: str, state: State, message: str, settings: Settings) -> str:
    """Pings; returns why that did not work, or ''."""
    import aiohttp  # noqa: PLC0415 - loaded where it is needed

    from batchupdate.api.client import why_no_connection  # noqa: PLC0415 - as above
    from batchupdate.api.tls import tls_context  # noqa: PLC0415 - as above

    text = message[:MOST_OF_MESSAGE]
    address = URL(url)
    if style == "cronitor":
        method, data, address = "GET", None, address.update_query(state=_STATES[state], message=text)
    else:
        method, data = "POST", text.encode()
        address = address.with_path(address.path.rstrip("/") + _PATHS[state], keep_query=True)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.request(method, address, data=data, ssl=tls_context(settings), allow_redirects=False) as reply,
        ):
            return "" if reply.status < 300 else f"it answered {reply.status}"  # noqa: PLR2004 - 2xx
    except TimeoutError:
        return f"no answer within {TIMEOUT_S:.0f} s"
    except aiohttp.ClientConnectorCertificateError as error:
        return f"the certificate of {error.host} can't be verified"
    except aiohttp.ClientConnectorDNSError as error:
        return f"the name {error.host} can't be found"
    except aiohttp.ClientConnectorError as error:
        return f"no connection to {error.host}: {why_no_connection(error.os_error)}"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return str(error) or type(error).__name__
