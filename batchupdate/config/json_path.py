"""JMESPath expressions: how a declaration says where something is in a reply."""

from __future__ import annotations

from typing import Annotated, Any

import jmespath
from pydantic import AfterValidator


class UnexpectedReplyError(ValueError):
    """A reply, or a record in it, is not as the target declares; the text says why."""


def check_json_path(text: str) -> str:
    """Returns an expression as it is.

    Raises:
        ValueError: it is none.
    """
    try:
        jmespath.compile(text)
    except (jmespath.exceptions.JMESPathError, RecursionError) as error:
        raise ValueError(f"{text!r} is not a JMESPath expression") from error
    return text


JsonPath = Annotated[str, AfterValidator(check_json_path)]


def search(path: str, value: object, setting: str) -> Any:  # noqa: ANN401 - any JSON value
    """What an expression finds in a JSON value; None if nothing.

    Args:
        path: the expression.
        value: where to search.
        setting: the setting that holds the expression, for the message.

    Raises:
        UnexpectedReplyError: the expression can't be applied, such as a function to a value of another type.
    """
    try:
        return jmespath.search(path, value)
    except (jmespath.exceptions.JMESPathError, RecursionError, ArithmeticError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UnexpectedReplyError(f"'{setting}' ({path}) can't be applied to the API's reply: {reason}") from error


def text_of(value: object) -> str:
    """An id, a key or a version as a text; '' for what is neither a text nor a whole number."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def is_true(value: object) -> bool:
    """Whether JMESPath takes a value for true: 0 is, what is empty is not."""
    return value is not None and value is not False and value not in ("", [], {})
