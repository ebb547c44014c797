from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import pytest

from torture.story import World, tell
from torture.truth import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT_ONCE = 3
"""Stories under way at a time: a run waits for its backoff as often as for the processor."""


@pytest.fixture(scope="session")
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[World], Verdict]]:
    """Tells the story of a world and judges it; those of the other selected tests are told meanwhile."""
    worlds = [
        cast("World", item.callspec.params["world"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec") and "world" in item.callspec.params
    ]

    def tell_and_judge(world: World) -> Verdict:
        return judge(tell(world, tmp_path_factory.mktemp(str(world))))

    with ThreadPoolExecutor(AT_ONCE, "story") as pool:
        verdicts = {world: pool.submit(tell_and_judge, world) for world in worlds}
        yield lambda world: verdicts[world].result()
        pool.shutdown(cancel_futures=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks every test in this folder."""
    item.add_marker(pytest.mark.torture)
