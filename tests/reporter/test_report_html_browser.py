"""report.html of a run of 100,000 rows, in a real Chromium."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from conftest import SEARCHED
from playwright.sync_api import Browser, Page, expect, sync_playwright
from report_html import HOSTILE, make_run

from batchupdate.runs.history import rebuild_reports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchupdate.reporter import Summary

pytestmark = [pytest.mark.slow, pytest.mark.counted("nothing"), pytest.mark.third_party("chromium", "axe-core")]

ROWS = 100_000
LARGEST = 1_500_000
TIMES = "(() => { const [it] = performance.getEntriesByType('navigation'); return it.loadEventEnd - it.startTime; })()"


class Run(NamedTuple):
    summary: Summary
    path: Path


class Seen(NamedTuple):
    """What a page has asked for, and what it said on the console."""

    page: Page
    requests: list[str]
    said: list[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    summary = rebuild_reports(make_run(tmp_path_factory.mktemp("runs"), ROWS))
    return Run(summary, summary.folder / "report.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, (shutil.which(name, path=SEARCHED) for name in names)))
    as_root = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=as_root)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Browser, run: Run) -> Iterator[Callable[..., Seen]]:
    contexts = []

    def opened(**options: Any) -> Seen:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        seen = Seen(page, [], [])
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.said.append(message.text))
        page.on("pageerror", lambda error: seen.said.append(str(error)))
        page.goto(run.path.as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


def rows(page: Page) -> list[list[str]]:
    """The table as it is shown: the texts of each row's cells."""
    found: list[list[str]] = page.evaluate(
        "[...document.querySelectorAll('#rows tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))"
    )
    return found


def test_a_page_is_small_ready_within_a_second_and_asks_nobody(opened: Callable[..., Seen], run: Run) -> None:
    assert run.path.stat().st_size < LARGEST
    seen = opened()
    times = [seen.page.evaluate(TIMES)]
    for _ in range(4):
        seen.page.reload()
        times.append(seen.page.evaluate(TIMES))
    assert min(times) < 1000, times
    expect(seen.page.locator("#status")).to_have_text("1 to 50 of 3,061 rows")
    assert set(seen.requests) == {run.path.as_uri()}
    assert seen.said == []


def test_what_a_cell_says_is_text_and_runs_nowhere(opened: Callable[..., Seen]) -> None:
    seen = opened()
    page = seen.page
    page.fill("#search", "onerror=alert")
    expect(page.locator("#status")).to_have_text("1 to 20 of 20 rows found")
    assert HOSTILE in rows(page)[0][4]
    assert page.locator("main img, main script, main a").count() == 0
    assert page.title().startswith("98,9")
    assert seen.said == []


def test_the_policy_of_a_page_stops_what_is_not_its_own(opened: Callable[..., Seen]) -> None:
    seen = opened()
    seen.page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'document.title = "run"';
            document.body.append(script);
            const image = document.createElement('img');
            image.src = 'http://127.0.0.1:9/x.png';
            document.body.append(image);
        }"""
    )
    assert seen.page.title() != "run"
    assert len([said for said in seen.said if "Content Security Policy" in said]) == 2
    assert all(url.startswith(("file:", "data:")) for url in seen.requests if "127.0.0.1" not in url)


def test_rows_are_found_by_several_words_outcome_and_cause(opened: Callable[..., Seen], run: Run) -> None:
    page = opened().page
    page.fill("#search", "bad GATEWAY support")
    expect(page.locator("#status")).to_contain_text("rows found")
    found = rows(page)
    assert found
    assert all("502 Bad Gateway" in row[4] and "Support" in row[4] for row in found)
    page.fill("#search", "nothing has this")
    expect(page.locator("#status")).to_have_text("No row was found.")
    page.fill("#search", "")
    page.select_option("#outcome", "conflict")
    expect(page.locator("#status")).to_contain_text("rows found")
    assert {row[2] for row in rows(page)} == {"conflict"}
    group = run.summary.errors[1]
    page.locator("[data-group='1']").click()
    expect(page.locator("#status")).to_have_text(f"1 to 50 of {group.count} rows found")
    assert {row[3] for row in rows(page)} == {str(group.http_status)}
    assert page.evaluate("document.activeElement.id") == "cause"


def test_values_of_replies_are_shown_and_found(opened: Callable[..., Seen]) -> None:
    seen = opened()
    page = seen.page
    page.select_option("#outcome", "updated")
    found = rows(page)
    assert all("_reply.updated_at 2026-11-2" in row[4] and f'_reply.etag "{int(row[0]):x}"' in row[4] for row in found)
    page.fill("#search", f'_reply.etag "{int(found[7][0]):x}"')
    expect(page.locator("#status")).to_have_text("1 row found")
    assert rows(page) == [found[7]]
    assert page.evaluate("document.documentElement.scrollWidth") == 1280
    assert seen.said == []


def test_rows_are_sorted_by_any_column_up_and_down(opened: Callable[..., Seen]) -> None:
    page = opened().page
    page.select_option("#outcome", "failed")
    heading = page.locator("#rows thead th").filter(has_text="Time")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    shortest = [row[6] for row in rows(page)]
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    longest = [row[6] for row in rows(page)]
    assert all(text.endswith(" ms") for text in shortest)
    assert [int(text.split()[0]) for text in shortest] == sorted(int(text.split()[0]) for text in shortest)
    assert longest[0].endswith(" s")
    row = page.locator("#rows thead th").filter(has_text="Row").get_by_role("button")
    row.click()
    row.click()
    numbers = [int(one[0]) for one in rows(page)]
    assert numbers == sorted(numbers, reverse=True)


def test_a_page_can_be_worked_with_by_the_keyboard_alone(opened: Callable[..., Seen]) -> None:
    page = opened().page
    page.focus("#search")
    page.keyboard.type("502")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("rows found")
    for _ in range(4):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Row"
    page.keyboard.press("Enter")
    expect(page.locator("#rows thead th").first).to_have_attribute("aria-sort", "ascending")
    page.focus("#search")
    page.fill("#search", "")
    expect(page.locator("#status")).to_have_text("1 to 50 of 3,061 rows")
    page.focus("#after")
    page.keyboard.press("Space")
    expect(page.locator("#status")).to_have_text("51 to 100 of 3,061 rows")


def test_without_scripts_a_page_has_all_but_search(opened: Callable[..., Seen]) -> None:
    page = opened(java_script_enabled=False).page
    assert page.locator("#rows tbody tr").count() == 100
    assert not page.locator("#controls").is_visible()
    assert page.locator("svg.wide").count() == 2
    assert HOSTILE in (page.locator("#rows tbody tr").first.text_content() or "")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_is_wider_than_its_screen(opened: Callable[..., Seen], width: int) -> None:
    page = opened(viewport={"width": width, "height": 800}).page
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing(opened: Callable[..., Seen], axe_core: str, scheme: str, width: int) -> None:
    # bypass_csp lets axe in, which is no script of the page
    page = opened(color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True).page
    page.evaluate(axe_core)
    found = page.evaluate("axe.run()")
    violations = [(one["id"], one["impact"], one["nodes"][0]["html"]) for one in found["violations"]]
    assert violations == []
    assert len(found["passes"]) > 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_dark_where_that_is_wanted_and_never_on_paper(opened: Callable[..., Seen], scheme: str) -> None:
    page = opened(color_scheme=scheme).page
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    assert (page.evaluate(paper) == "rgb(255, 255, 255)") is (scheme == "light")
    page.emulate_media(media="print")
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert not page.locator("#controls").is_visible()
