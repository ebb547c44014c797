from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

import pytest

from torture import two_way_story
from torture.story import World, tell
from torture.truth import Verdict, judge
from torture.two_way_story import Tale
from torture.two_way_truth import TwoWayVerdict, judge_tale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

AT_ONCE = 3
"""Stories under way at a time: a run waits for its backoff as often as for the processor."""


@pytest.fixture(scope="module")
def judged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[World | Tale], Verdict | TwoWayVerdict]]:
    """Tells the story of a world, or a tale, and judges it; those of the module's other tests are told meanwhile."""
    worlds = [
        cast("World | Tale", item.callspec.params["world"])
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function) and hasattr(item, "callspec")
        if "world" in item.callspec.params
    ]

    def tell_and_judge(world: World | Tale) -> Verdict | TwoWayVerdict:
        folder = tmp_path_factory.mktemp(str(world))
        if isinstance(world, Tale):
            return judge_tale(two_way_story.tell(world, folder))
        return judge(tell(world, folder))

    tmp_path_factory.getbasetemp()  # it is emptied the first time, which must not be by several threads
    with ThreadPoolExecutor(AT_ONCE, "story") as pool:
        verdicts = {world: pool.submit(tell_and_judge, world) for world in worlds}
        yield lambda world: verdicts[world].result()
        pool.shutdown(cancel_futures=True)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks every test in this folder."""
    item.add_marker(pytest.mark.torture)
