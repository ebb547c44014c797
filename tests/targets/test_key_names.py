from __future__ import annotations

import pytest

from batchupdate.targets.key_names import is_idempotency_key, is_key, is_secret_member, is_token


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "Fastly-Key",
        "X_API_KEY",
        "apiKey",
        "APIKey",
        "X-Api-Key-Id",
        "refreshToken",
        "TOKEN",
        "clientsecret",
        "sig",
    ],
)
def test_a_name_is_read_word_by_word_however_it_is_written(name: str) -> None:
    assert is_key(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-",
        "monkey",
        "keyboard",
        "X-Keyword",
        "author",
        "tokens",
        "max_tokens",
        "sort_key",
        "cacheKey",
        "nextPageToken",
    ],
)
def test_a_part_of_a_word_and_a_key_that_names_something_are_no_secrets(name: str) -> None:
    assert not is_key(name)


def test_a_value_is_a_secret_by_its_scheme_or_as_a_json_web_token() -> None:
    assert all(map(is_token, ("Bearer abcdefgh", "token abcdefgh1", "eyJhbGciOi.eyJzdWIi.c2ln")))
    assert not any(map(is_token, ("", "Bearer", "Bearer of good news", "basic plan", "eyJhbGciOi", "application/json")))


def test_a_member_that_is_only_called_key_is_a_secret_if_it_looks_like_one() -> None:
    assert is_secret_member("key", "a1b2c3d4e5f6a7b8")
    assert not is_secret_member("key", "home.title.greeting")
    assert not is_secret_member("signature", "Best regards")
    assert not is_secret_member("password", "")


def test_the_header_of_idempotency_has_several_spellings() -> None:
    names = ("Idempotency-Key", "x-idempotency-key", "Idempotence-Key", "IdempotencyKey")
    assert all(map(is_idempotency_key, names))
    assert not any(map(is_key, names))
    assert not is_idempotency_key("Api-Key")
