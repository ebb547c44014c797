from __future__ import annotations

import pytest

from batchupdate.targets import IdRule


@pytest.mark.parametrize(
    ("rule", "one", "other"),
    [
        (IdRule(format="uuid"), "ABCDEF00-0000-4000-8000-00000000000A", "abcdef00-0000-4000-8000-00000000000a"),
        (IdRule(format="ulid", prefix="ai_"), "ai_01KFRX8K1CKQGCV2W5J9C9Z37H", "01kfrx8k1ckqgcv2w5j9c9z37h"),
        (IdRule(format="ulid", prefix="01"), "0101KFRX8K1CKQGCV2W5J9C9Z37H", "01KFRX8K1CKQGCV2W5J9C9Z37H"),
    ],
)
def test_two_spellings_of_one_id_have_one_key(rule: IdRule, one: str, other: str) -> None:
    assert rule.key(one) == rule.key(other)


def test_a_free_id_is_told_apart_by_case() -> None:
    assert IdRule().key("a") != IdRule().key("A")


@pytest.mark.parametrize(
    ("rule", "example"),
    [
        (IdRule(), "an id"),
        (IdRule(pattern="^a+$"), "text that matches ^a+$"),
        (IdRule(pattern="^a+$", example="aaa"), "an id such as aaa"),
        (IdRule(format="uuid"), "a UUID such as 550e8400-e29b-41d4-a716-446655440000"),
        (IdRule(format="ulid", prefix="ai_"), "a ULID such as ai_01KFRX8K1CKQGCV2W5J9C9Z37H"),
    ],
)
def test_a_sentence_can_say_what_an_id_looks_like(rule: IdRule, example: str) -> None:
    assert rule.wanted == example
