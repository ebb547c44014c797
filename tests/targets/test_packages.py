from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
import yaml
from declarations import PLAIN
from packages import install

from batchupdate.errors import ConfigError
from batchupdate.targets import find_target
from batchupdate.targets.catalogue import declaration_of
from batchupdate.targets.packages import packaged_targets

if TYPE_CHECKING:
    from pathlib import Path

MINE = yaml.safe_load(PLAIN)
FORMS = {
    "a text": f"it = {PLAIN!r}",
    "a path": "import pathlib\nit = pathlib.Path(__file__).with_name('mine.yaml')",
    "a dict": f"it = {MINE!r}",
    "a target": f"from batchupdate.targets import Target\nit = Target.model_validate({MINE!r})",
    "an object": f"class It:\n    declaration = {PLAIN!r}\n\nit = It()",
}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.yaml").write_text(PLAIN, "utf-8")
    return tmp_path


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_a_package_can_give_a_declaration_in_any_form(site: Path, text: str) -> None:
    install(site, "forms_of_mine", text, {"mine": "forms_of_mine:it"})
    found = find_target("mine")
    assert found == find_target(str(site / "mine.yaml"))
    assert found.hooks is None
    assert yaml.safe_load(declaration_of("mine")) == MINE


def test_a_module_can_be_the_object(site: Path) -> None:
    text = f"declaration = {PLAIN!r}\n\ndef judge(reply):\n    return None\n"
    install(site, "module_of_mine", text, {"mine": "module_of_mine"})
    hooks = find_target("mine").hooks
    assert hooks is not None
    assert hooks.names == ("judge",)
    assert str(hooks.package) == "module-of-mine 1.0"
    with pytest.raises(ConfigError, match=r"more than a declaration: its package has code \(judge\)"):
        declaration_of("mine")


def test_no_package_is_imported_until_its_target_is_asked_for(site: Path) -> None:
    install(site, "dear_package", FORMS["a text"], {"mine": "dear_package:it"})
    assert [(one.target, str(one)) for one in packaged_targets()] == [("mine", "dear-package 1.0")]
    find_target("langdock-integration")
    with pytest.raises(ConfigError, match="There is no target 'mime'") as told:
        find_target("mime")
    assert "Did you mean mine?" in told.value.hint
    assert "dear_package" not in sys.modules
    find_target("mine")
    assert "dear_package" in sys.modules


def test_a_target_that_comes_along_goes_before_one_of_the_same_name(site: Path) -> None:
    install(site, "usurper", "raise RuntimeError", {"langdock-integration": "usurper"})
    assert find_target("langdock-integration").auth.env == "LANGDOCK_API_KEY"


def test_of_two_packages_with_one_name_neither_is_used(site: Path) -> None:
    install(site, "one_mine", FORMS["a text"], {"mine": "one_mine:it"})
    install(site, "other_mine", FORMS["a text"], {"mine": "other_mine:it"})
    with pytest.raises(ConfigError, match=r"Several packages have a target 'mine': .*one-mine 1\.0") as told:
        find_target("mine")
    assert "Uninstall" in told.value.hint


CODE = f"declaration = {PLAIN!r}\n"
SIGNED = f"declaration = {PLAIN.replace('env: MY_KEY', '{env: MY_KEY, scheme: signed}')!r}\n"
BATCH = "batch: {path: /b, size: 9, template: [{y: '{y}', x: '{x}', f: '{fields}'}]}"
BATCHED = f"declaration = {PLAIN + BATCH!r}\n"
WRAPPED = f"content_type = 'text/xml'\ndeclaration = {PLAIN + 'body: {wrap: [a]}'!r}\n"


@pytest.mark.parametrize(
    ("text", "entry", "said"),
    [
        ("import nothing_of_that_name", "bad_mine", "can't be loaded (bad_mine): ModuleNotFoundError: No module named"),
        ("raise SystemExit(3)", "bad_mine", "can't be loaded (bad_mine): SystemExit: 3."),
        ("def f(:", "bad_mine", "can't be loaded (bad_mine): SyntaxError"),
        ("it = 1", "bad_mine:other", "can't be loaded (bad_mine:other): AttributeError"),
        ("it = 1", "bad_mine:it", "is int; it must be YAML text, the path of a YAML file, a dict or a Target"),
        ("it = 1", "bad_mine", "is module; it must be"),
        ("class It:\n    declaration = ''", "bad_mine:It", "is a class."),
        ("it = 'name: mine\\nnonsense: 1'", "bad_mine:it", "bad-mine 1.0: mine:2: there is no setting 'nonsense'."),
        ("it = {'name': 'mine'}", "bad_mine:it", "bad-mine 1.0: mine: path: this setting is missing; add it."),
        ("it = {'name': {1}}", "bad_mine:it", "can't be written as JSON"),
        (FORMS["a text"].replace("name: mine", "name: yours"), "bad_mine:it", "'mine' among its entry points, and"),
        (f"{CODE}sign = 3", "bad_mine", "has a 'sign' that is no function"),
        (f"{CODE}def encode(ids, fields): ...", "bad_mine", "has 'encode', but no 'content_type'"),
        (f"{WRAPPED}def encode(ids, fields): ...", "bad_mine", "declares body.wrap, but its package makes the bodies"),
        (f"{BATCHED}def judge(reply): ...", "bad_mine", "declares batch, and 'judge' of its package is about"),
        (f"{SIGNED}def judge(reply): ...", "bad_mine", "its requests, and the package bad-mine 1.0 has no 'sign'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_package_is_a_sentence(site: Path, text: str, entry: str, said: str) -> None:
    install(site, "bad_mine", text, {"mine": entry})
    with pytest.raises(ConfigError) as told:
        find_target("mine")
    assert said in str(told.value)


def test_a_file_can_not_ask_for_a_signature_that_nobody_makes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PLAIN.replace("env: MY_KEY", "env: MY_KEY\n  scheme: signed"), "utf-8")
    with pytest.raises(ConfigError, match="a package signs its requests, and this target comes from none"):
        find_target(str(path))
