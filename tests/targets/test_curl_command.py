from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.errors import UsageError
from batchupdate.targets.curl_command import read_curl

URL = "https://api.example.com/v1/things/7"


def complaint(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read_curl(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("command", "method", "body", "headers"),
    [
        (f"curl {URL} -d a=1 -d b=2", "POST", "a=1&b=2", []),
        (f"curl -XPATCH {URL} -d'a=1' -H'X-Y: z'", "PATCH", "a=1", [("X-Y", "z")]),
        (f"curl --request PUT --url {URL} --data '{{\"a\": \"it'\\''s\"}}'", "PUT", '{"a": "it\'s"}', []),
        (f'curl -sSLX patch {URL} -d "{{\\"a\\":\\"$b\\"}}"', "PATCH", '{"a":"$b"}', []),
        (f"curl {URL} \\\n  -H 'A: b' \\\r\n  --json '{{\"a\":1' --json '}}'", "POST", '{"a":1}', [("A", "b")]),
        (f'curl {URL} --data-raw $\'{{"a":"\\u00e9\\\'\\n\\x41\\101"}}\'', "POST", '{"a":"é\'\nAA"}', []),
        (f"curl {URL} --data-raw $'\\ud83d\\ude00'", "POST", "😀", []),
        (f"curl {URL} -d 'a\nb' --data-raw @x", "POST", "ab&@x", []),
        (f"curl {URL} --data-binary 'a\nb'", "POST", "a\nb", []),
        (
            f"curl {URL} --data-urlencode 'a=b c&d' --data-urlencode '=x y' --data-urlencode 'p q'",
            "POST",
            "a=b%20c%26d&x%20y&p%20q",
            [],
        ),
        (
            f"curl {URL} -X PATCH -d 1 --oauth2-bearer KEY -H 'Accept:' -H 'X;'",
            "PATCH",
            "1",
            [("Authorization", "Bearer KEY")],
        ),
        (f"$ curl {URL} -d a\\ b | jq .", "POST", "a b", []),
        (f"\n  curl.exe {URL} -d a; rm -rf x", "POST", "a", []),
        (
            f'curl "{URL}" ^\n  -X PATCH ^\r\n  -H "A: b" ^\n  -d "{{\\"a\\":\\"b\\\\c\\"}}"',
            "PATCH",
            '{"a":"b\\\\c"}',
            [("A", "b")],
        ),
        (
            f'curl ^"{URL}^" ^\n -X ^"PATCH^" ^\n --data-raw ^"^{{^\\^"a^\\^":^\\^"100^% ^& more^\\^"^}}^"',
            "PATCH",
            '{"a":"100% & more"}',
            [],
        ),
        (f'curl "{URL}" ^\n -d "C:\\x\\\\" -d "a ""b"" c" -d ""', "POST", 'C:\\x\\&a "b" c&', []),
    ],
)
def test_a_command_is_read_as_its_shell_and_curl_would(
    command: str, method: str, body: str, headers: list[tuple[str, str]]
) -> None:
    found = read_curl(command)
    assert (found.url, found.method, found.body, found.headers) == (URL, method, body, headers)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "does not begin with curl"),
        ("wget x", "does not begin with curl"),
        ("curl -X PATCH", "has no URL"),
        (f"curl {URL} {URL} -d a", "two URLs"),
        (f"curl {URL} -d @body.json", "files are not read"),
        (f"curl {URL} --json @body.json", "files are not read"),
        (f"curl {URL} --data-urlencode name@file", "files are not read"),
        (f"curl {URL} -b 'session=1'", "cookies belong to a browser's session"),
        (f"curl {URL} -H 'Cookie: session=1'", "cookies belong to a browser's session"),
        (f"curl {URL} -F a=@x", "multipart"),
        (f"curl {URL} -G -d a=1", "--get"),
        (f"curl {URL} -T file", "a file can't be the body"),
        (f"curl {URL} --frobnicate", "an option that is not known here: --frobnicate"),
        (f"curl {URL} -sQ", "an option that is not known here: -Q"),
        (f"curl {URL} -d", "ends after --data"),
        (f"curl {URL} -d 'a", "not closed"),
        (f'curl {URL} -d "a', "not closed"),
        (f'curl ^"{URL}^" ^\n -d ^"a', "not closed"),
        (f"curl {URL} -d $(cat x)", "runs another command"),
        (f'curl {URL} -d "`cat x`"', "runs another command"),
        ("curl " + "x" * 200_001, "more than 200,000 characters"),
    ],
)
def test_what_a_target_can_not_do_is_refused_with_a_sentence(command: str, said: str) -> None:
    assert said in complaint(command)


def test_what_means_nothing_here_is_left_out_and_named() -> None:
    found = read_curl(f"curl --compressed -k -L -A 'Mozilla/5' -o out.json --max-time 5 {URL} -d a | jq")
    assert found.left_out[0] == "what follows the command"
    assert found.left_out[1:] == [
        *("--compressed", "--insecure (certificates are always checked)", "--location (redirects are not followed)"),
        *("--user-agent", "--output", "--max-time"),
    ]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash says what the words of a command are")
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab'\"\\ \n$é{}:", min_size=1, max_size=8), min_size=1, max_size=4), st.data())
def test_words_are_those_that_bash_makes(values: list[str], data: st.DataObject) -> None:
    def written(value: str) -> str:
        single = "'" + value.replace("'", "'\\''") + "'"
        ansi = "$'" + value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"
        double = '"' + "".join(f"\\{one}" if one in '\\"$`' else one for one in value) + '"'
        return data.draw(st.sampled_from([single, ansi, double]))

    command = "curl https://x.example " + " \\\n ".join(f"--data-binary {written(value)}" for value in values)
    shown = subprocess.run(
        ["bash", "-c", f"curl() {{ printf '%s\\0' \"$@\"; }}\n{command}"], capture_output=True, check=True, timeout=120
    ).stdout.decode()
    words = shown.split("\0")[:-1]
    assert words[2::2] == values
    assert read_curl(command).data == values


@given(st.text("curl -dHX'\"\\$^\n|&;{}=@:/ab `(%", max_size=60))
def test_whatever_is_pasted_ends_in_a_request_or_a_sentence(text: str) -> None:
    try:
        found = read_curl(f"curl {text}")
    except UsageError:
        return
    assert found.url
