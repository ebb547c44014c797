"""Django REST framework's validation and throttling, and the short tokens of Django OAuth Toolkit."""

from __future__ import annotations

import secrets
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from real_servers import apply, errors, free_port, outcomes, pull, running, settings_for

from batchupdate import Outcome, run_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchupdate import Progress

pytestmark = [pytest.mark.slow, pytest.mark.third_party("django")]

TARGET = """\
name: contacts
title: Contacts
path: /{place}/{{key}}/
auth: {auth}
id: {{key: {{}}}}
fields:
  name: {{}}
  title: {{}}
  email: {{}}
  seats: {{type: integer}}
  plan: {{}}
list: {{path: /{place}/, records: results, pagination: {{style: next, next: next}}}}
repeatable: true
"""
TOKEN = '{scheme: header, env: SITE_KEY, name: Authorization, value: "Token {key}"}'
OAUTH = """
  scheme: oauth2
  grant: {grant}
  token_url: {url}/o/token/
  client_id: {client}
  client_secret: {{env: {key}}}
  {more}
"""
LIVES_S = 3.0


class Site:
    """A running site with the contacts c0 to c299, and its database."""

    def __init__(self, url: str, key: str, file: Path) -> None:
        self.url, self.file, self.environ = url, file, {"SITE_KEY": key}
        self.key = key

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.file, timeout=30)) as database, database:
            return database.execute(query).fetchall()

    def names(self) -> dict[str, str]:
        return dict(self.rows("SELECT key, name FROM site_contact"))

    def oauth(self, client: str, grant: str, more: str = "", key: str = "SITE_KEY") -> str:
        auth = OAUTH.format(url=self.url, client=client, grant=grant, more=more, key=key)
        return TARGET.format(place="guarded/contacts", auth=auth)

    def tokens(self) -> int:
        """How many access tokens the server has made."""
        [(made,)] = self.rows("SELECT seq FROM sqlite_sequence WHERE name = 'oauth2_provider_accesstoken'")
        return int(made)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, port, key = tmp_path_factory.mktemp("site"), free_port(), secrets.token_hex()
    program = Path(__file__).with_name("django_server.py")
    with running([sys.executable, program, str(port), folder, key], port) as url:
        yield Site(url, key, folder / "site.db")


@pytest.fixture
def site(server: Site) -> Site:
    server.rows("UPDATE site_contact SET name = 'Old ' || substr(key, 2), email = '', seats = 1, plan = 'paid'")
    return server


def written(folder: Path, count: int) -> Path:
    source = folder / "rows.csv"
    source.write_text("key,name\n" + "".join(f"c{n},New {n}\n" for n in range(count)), "utf-8")
    return source


async def test_what_the_serializer_refuses_is_failed_with_field_and_reason(site: Site, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"key": f"c{n}", "name": f"New {n}", "seats": n + 1} for n in range(50)]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": "Old 299"}, "contact with this name already exists."),
        ({"name": "a name of too many letters"}, "name: Ensure this field has no more than 20 characters."),
        ({"title": "too long a title"}, "title: Ensure this field has no more than 9 characters."),
        ({"seats": -1}, "seats: Ensure this value is greater than or equal to 0."),
        ({"plan": "free", "seats": 3}, "The free plan has one seat."),
        (
            {"email": "nobody", "plan": "gold"},
            'Enter a valid email address.; plan: "gold" is not a valid choice.',
        ),
    ]
    rows += [{"key": f"c{n}", **change} for n, (change, _) in enumerate(wrong, 50)]
    rows.append({"key": "nobody", "name": "New"})
    declared = TARGET.format(place="contacts", auth=TOKEN)
    summary = await apply(rows, settings_for(tmp_path, declared, site.url), site.environ)

    assert summary.counts[Outcome.UPDATED] == 50
    assert summary.counts[Outcome.FAILED] == 7
    said = errors(summary)
    for number, (_, reason) in enumerate(wrong, 50):
        assert said[f"c{number}"].endswith(reason)
    assert said["nobody"] == "404 there is no such record: No Contact matches the given query."
    expected = {f"c{n}": (f"New {n}", n + 1) if n < 50 else (f"Old {n}", 1) for n in range(300)}
    assert {
        key: (name, seats) for key, name, seats in site.rows("SELECT key, name, seats FROM site_contact")
    } == expected


async def test_a_key_that_the_site_does_not_know_stops_the_run_with_its_reason(site: Site, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, TARGET.format(place="contacts", auth=TOKEN), site.url, concurrency=1)
    summary = await run_file(written(tmp_path, 3), settings, environ={"SITE_KEY": "of-no-account"})
    assert summary.exit_code == 3
    assert summary.stopped
    said = "Stopped at row 2: 401 the API rejected the key: Invalid token. The key was refused. "
    assert summary.stopped.message.startswith(said)
    assert site.names()["c0"] == "Old 0"


async def test_rows_that_are_throttled_are_repeated_and_counted_and_all_end_updated(site: Site, tmp_path: Path) -> None:
    declared = TARGET.format(place="throttled/contacts", auth=TOKEN)
    settings = settings_for(tmp_path, declared, site.url, rate="auto", max_rate="200/s", concurrency=8)
    summary = await run_file(written(tmp_path, 140), settings, environ=site.environ)
    assert set(outcomes(summary).values()) == {"updated"}
    assert site.names() == {f"c{n}": f"New {n}" if n < 140 else f"Old {n}" for n in range(300)}
    traffic = summary.sessions.traffic
    assert traffic.sent == 140 + traffic.throttled
    assert 0 < traffic.throttled < 14


async def test_all_pages_are_pulled_and_their_count_is_reached(site: Site, tmp_path: Path) -> None:
    declared = TARGET.format(place="contacts", auth=TOKEN)
    pulled = await pull(tmp_path / "now.csv", settings_for(tmp_path, declared, site.url), site.environ)
    assert (pulled.records, pulled.pages) == (300, 6)


async def test_no_row_is_lost_to_tokens_of_three_seconds_and_each_is_asked_for_once(site: Site, tmp_path: Path) -> None:
    # 12 s are enough for six tokens, of which one is revoked halfway to its renewal. A longer run repeats the same.
    revoked: list[int] = []

    def revoke(progress: Progress) -> None:
        if progress.stage == "sending" and progress.done >= 85 and not revoked:
            site.rows("DELETE FROM oauth2_provider_accesstoken WHERE expires > datetime('now')")
            revoked.append(progress.done)

    source, before, started = written(tmp_path, 170), site.tokens(), time.monotonic()
    settings = settings_for(tmp_path, site.oauth("robot", "client_credentials"), site.url, rate="14/s")
    summary = await run_file(source, settings, environ=site.environ, on_progress=revoke)
    lasted = time.monotonic() - started
    assert set(outcomes(summary).values()) == {"updated"}, summary.stopped
    assert site.names() == {f"c{n}": f"New {n}" if n < 170 else f"Old {n}" for n in range(300)}
    assert revoked
    assert summary.sessions.traffic.sent > 170  # what was refused with a revoked token went out again
    # Each is renewed when a fifth of its life is left, and one was revoked.
    assert 170 / 14 / LIVES_S - 1 <= site.tokens() - before <= lasted / (0.8 * LIVES_S) + 2


async def test_a_refresh_token_that_the_server_replaces_each_time_is_used_once(site: Site, tmp_path: Path) -> None:
    before, more = site.tokens(), "refresh_token: {env: SITE_KEY}"
    settings = settings_for(tmp_path, site.oauth("desk", "refresh_token", more), site.url, rate="14/s")
    summary = await run_file(written(tmp_path, 60), settings, environ=site.environ)
    assert set(outcomes(summary).values()) == {"updated"}, summary.stopped
    made = site.tokens() - before
    assert made >= 2
    # The server revokes the whole family if one of them comes back.
    assert site.rows("SELECT count(*), sum(revoked IS NULL) FROM oauth2_provider_refreshtoken") == [(made + 1, 1)]


async def test_a_client_that_the_server_does_not_know_stops_the_run_before_the_first_row(
    site: Site, tmp_path: Path
) -> None:
    settings = settings_for(tmp_path, site.oauth("robot", "client_credentials", key="OTHER_KEY"), site.url)
    summary = await run_file(written(tmp_path, 3), settings, environ={"OTHER_KEY": "of-no-account"})
    assert summary.exit_code == 3
    assert summary.stopped
    assert summary.stopped.message == "Stopped at row 2: no token from 127.0.0.1: 401 invalid_client."
    assert set(outcomes(summary).values()) == {"not_attempted"}
    assert site.names()["c0"] == "Old 0"


async def test_a_token_without_the_scope_gets_the_servers_sentence(site: Site, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, site.oauth("robot", "client_credentials", "scopes: [read]"), site.url)
    summary = await run_file(written(tmp_path, 1), settings, environ=site.environ)
    assert errors(summary)["c0"].endswith("You do not have permission to perform this action.")
    assert site.names()["c0"] == "Old 0"
