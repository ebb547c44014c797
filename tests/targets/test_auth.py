from __future__ import annotations

import pytest
from declarations import TWO, complaint, read, swapped
from pydantic import SecretStr

KEY = SecretStr("sk-0123456789")


@pytest.mark.parametrize(
    ("auth", "headers"),
    [
        ("{env: K}", {"Authorization": "Bearer sk-0123456789"}),
        ("{env: K, scheme: basic, user: me/token}", {"Authorization": "Basic bWUvdG9rZW46c2stMDEyMzQ1Njc4OQ=="}),
        ("{env: K, scheme: basic, user: ''}", {"Authorization": "Basic OnNrLTAxMjM0NTY3ODk="}),
        ("{env: K, scheme: header, name: X-Access-Token}", {"X-Access-Token": "sk-0123456789"}),
        ("{env: K, scheme: header, value: 'SSWS {key}'}", {"Authorization": "SSWS sk-0123456789"}),
        ("{scheme: none}", {}),
    ],
)
async def test_the_key_goes_along_as_declared(auth: str, headers: dict[str, str]) -> None:
    target = read(swapped("auth:\n  env: MY_KEY\n", f"auth: {auth}\n"))
    assert await target.auth.strategy(KEY).headers() == headers
    assert await target.auth.strategy(None).headers() == {}


async def test_the_form_in_which_a_basic_key_goes_out_is_a_secret_too() -> None:
    target = read(swapped("auth:\n  env: MY_KEY\n", "auth: {env: K, scheme: basic, user: me}\n"))
    strategy = target.auth.strategy(KEY)
    key, encoded = strategy.secrets()
    assert key == KEY
    assert await strategy.headers() == {"Authorization": f"Basic {encoded.get_secret_value()}"}
    assert encoded.get_secret_value() not in repr(strategy)
    assert list(TWO.auth.strategy(KEY).secrets()) == [KEY]


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        (
            "{env: K, scheme: basic}",
            "auth: scheme basic needs user, the name that goes before the key; user: '' stands for none",
        ),
        ("{env: K, scheme: basic, user: 'a:b'}", "auth.user: a user's name can't contain a colon"),
        ("{env: K, user: me}", "auth.user: user is for scheme basic"),
    ],
)
def test_a_user_goes_with_basic_and_basic_with_a_user(auth: str, said: str) -> None:
    found = complaint(swapped("auth:\n  env: MY_KEY\n", f"auth: {auth}\n"))
    assert found.startswith("t.yaml:5: ")
    assert said in found
