from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchupdate.api.error_message import MAX_CHARACTERS, error_sentence


def said(data: Any, *paths: str) -> str:
    return error_sentence(json.dumps(data).encode(), paths)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"message": "Name is too long"}, "Name is too long"),
        ({"error": "name is required"}, "name is required"),
        ("just a string", "just a string"),
        (["one", "two", "one"], "one; two"),
        ({"error": {"message": "inner", "code": "E1"}}, "inner"),
        ({"error": {"code": "E1"}}, "E1"),
        ({"title": "Bad", "detail": "The name is taken", "status": 409}, "The name is taken"),
        ({"message": [{"code": "too_big", "path": ["name"], "message": "At most 40"}]}, "name: At most 40"),
        ({"message": [{"path": ["a", 0, "b"], "message": "x"}, {"message": "y"}]}, "a.0.b: x; y"),
        ({"errors": [{"code": "c1", "message": "first"}, {"code": "c2", "message": "second"}]}, "first; second"),
        ({"errors": {"name": ["too long", "taken"]}}, "name: too long; name: taken"),
        ({"errors": {"name": "too long"}}, "name: too long"),
        ({"errors": {"description": ["too long"], "name": ["taken"]}}, "description: too long; name: taken"),
        ({"error": {"errors": [{"message": "userRateLimitExceeded"}], "code": 403}}, "userRateLimitExceeded"),
        ({"error": {"errors": [{"message": "alone"}]}}, "alone"),
        ({"field": "name", "message": "name is taken"}, "name is taken"),
        ({"field": "name", "message": "is taken"}, "name: is taken"),
        ({"field": "id", "message": "A valid number is required"}, "id: A valid number is required"),
        ({"message": "", "error": "the next one"}, "the next one"),
        ({"message": None, "detail": {"msg": "deep"}}, "deep"),
        ({"message": "two\nlines\tand\x00more\u202e"}, "two lines and more"),
        ({"message": "half \ud800 a character"}, "half a character"),
        ({"errorMessages": [], "key": 17}, '{"errorMessages": [], "key": 17}'),
        ({"name": ["This field is required."]}, "name: This field is required."),
        ({"name": "Ann", "owner": {"name": "Bob"}}, '{"name": "Ann", "owner": {"name": "Bob"}}'),
        (17, "17"),
        (False, "false"),
        ([str(number) for number in range(9)], "0; 1; 2; 3; 4"),
    ],
)
def test_the_sentence_is_found_in_a_body_of_any_shape(data: Any, sentence: str) -> None:
    assert said(data) == sentence


OF_FRAMEWORKS_AND_APIS: list[tuple[str, Any, str]] = [
    (
        "RFC9457 invalid-params",
        {
            "type": "https://example.net/validation-error",
            "title": "Your request parameters didn't validate.",
            "status": 400,
            "invalid-params": [
                {"name": "age", "reason": "must be a positive integer"},
                {"name": "color", "reason": "must be 'green', 'red' or 'blue'"},
            ],
        },
        "age: must be a positive integer; color: must be 'green', 'red' or 'blue'",
    ),
    (
        "RFC9457 errors",
        {
            "type": "https://example.net/validation-error",
            "title": "Your request is not valid.",
            "status": 422,
            "errors": [
                {"detail": "must be a positive integer", "pointer": "#/age"},
                {"detail": "must be 'green', 'red' or 'blue'", "pointer": "#/profile/color"},
            ],
        },
        "age: must be a positive integer; profile.color: must be 'green', 'red' or 'blue'",
    ),
    (
        "RFC9457 detail+validation",
        {
            "type": "about:blank",
            "title": "Bad Request",
            "status": 400,
            "detail": "The request is invalid",
            "validation": [{"field": "name", "message": "must not be blank"}],
        },
        "name: must not be blank",
    ),
    (
        "Spring",
        {
            "timestamp": "2026-01-01T00:00:00Z",
            "status": 400,
            "error": "Bad Request",
            "message": "Validation failed for object='customer'. Error count: 1",
            "errors": [
                {
                    "codes": ["Size.customer.name"],
                    "arguments": [],
                    "defaultMessage": "size must be between 0 and 40",
                    "objectName": "customer",
                    "field": "name",
                    "rejectedValue": "xxx",
                    "bindingFailure": False,
                    "code": "Size",
                }
            ],
            "path": "/customers/1",
        },
        "name: size must be between 0 and 40",
    ),
    (
        "Spring plain",
        {"timestamp": "2026-01-01T00:00:00Z", "status": 404, "error": "Not Found", "path": "/customers/1"},
        "Not Found",
    ),
    (
        "Laravel",
        {
            "message": "The given data was invalid.",
            "errors": {
                "email": ["The email must be a valid email address."],
                "name": ["The name may not be greater than 40 characters."],
            },
        },
        "The email must be a valid email address.; The name may not be greater than 40 characters.",
    ),
    (
        "Rails",
        {"name": ["is too long (maximum is 40 characters)"], "email": ["can't be blank"]},
        "name: is too long (maximum is 40 characters); email: can't be blank",
    ),
    ("Rails errors", {"errors": {"name": ["is too long"]}}, "name: is too long"),
    (
        "Rails errs list",
        {"errors": ["Name is too long", "Email can't be blank"]},
        "Name is too long; Email can't be blank",
    ),
    (
        "DRF",
        {"name": ["Ensure this field has no more than 40 characters."], "non_field_errors": ["Dates overlap."]},
        "name: Ensure this field has no more than 40 characters.; Dates overlap.",
    ),
    (
        "DRF nested",
        {"address": {"zip": ["Enter a valid zip."]}, "tags": [{}, {"name": ["This field is required."]}]},
        "address.zip: Enter a valid zip.; tags.name: This field is required.",
    ),
    ("DRF detail", {"detail": "Not found."}, "Not found."),
    (
        "DRF fields called as others call the sentence",
        {"title": ["May not be blank."], "seats": ["Not a number."], "non_field_errors": ["Dates overlap."]},
        "title: May not be blank.; seats: Not a number.; Dates overlap.",
    ),
    (
        "DRF fields called as others call the sentence, nested",
        {"address": {"description": ["May not be blank."], "code": ["Not a number."]}},
        "address.description: May not be blank.; address.code: Not a number.",
    ),
    (
        "a list of sentences beside a field",
        {"message": ["May not be blank."], "n": ["Not so."]},
        "May not be blank.; n: Not so.",
    ),
    ("an object of errors beside a list", {"errors": {"n": ["Not so."]}, "codes": ["E1"]}, "n: Not so."),
    (
        "JSONAPI",
        {
            "errors": [
                {
                    "id": "1",
                    "status": "422",
                    "code": "123",
                    "source": {"pointer": "/data/attributes/firstName"},
                    "title": "Invalid Attribute",
                    "detail": "First name must contain at least two characters.",
                }
            ]
        },
        "firstName: First name must contain at least two characters.",
    ),
    (
        "JSONAPI title",
        {"errors": [{"status": "422", "title": "must be shorter", "source": {"pointer": "/data/attributes/name"}}]},
        "name: must be shorter",
    ),
    (
        "GitHub",
        {
            "message": "Validation Failed",
            "errors": [{"resource": "Issue", "field": "title", "code": "missing_field"}],
            "documentation_url": "https://docs.github.com/rest",
            "status": "422",
        },
        "title: missing_field",
    ),
    (
        "GitHub custom",
        {
            "message": "Validation Failed",
            "errors": [
                {
                    "resource": "Issue",
                    "code": "custom",
                    "field": "title",
                    "message": "title is too long (maximum is 256 characters)",
                }
            ],
            "documentation_url": "https://docs",
        },
        "title is too long (maximum is 256 characters)",
    ),
    (
        "Zendesk",
        {
            "error": "RecordInvalid",
            "description": "Record validation errors",
            "details": {"status": [{"description": "Status: is invalid", "error": "InvalidValue"}]},
        },
        "Status: is invalid",
    ),
    (
        "Mailchimp",
        {
            "type": "https://mailchimp.com/developer/marketing/docs/errors/",
            "title": "Invalid Resource",
            "status": 400,
            "detail": "The resource could not be validated. For field-specific details, see 'errors'.",
            "instance": "abc",
            "errors": [{"field": "merge_fields.FNAME", "message": "Data did not match any of the schemas"}],
        },
        "merge_fields.FNAME: Data did not match any of the schemas",
    ),
    (
        "Contentful",
        {
            "sys": {"type": "Error", "id": "ValidationFailed"},
            "message": "Validation error",
            "details": {
                "errors": [
                    {
                        "name": "size",
                        "path": ["fields", "title", "en-US"],
                        "value": "x",
                        "details": "Size must be at most 40",
                    }
                ]
            },
            "requestId": "abc",
        },
        "fields.title.en-US: Size must be at most 40",
    ),
    (
        "PocketBase",
        {
            "status": 400,
            "message": "Failed to update record.",
            "data": {
                "title": {"code": "validation_max_text_constraint", "message": "Must be less than 40 character(s)."}
            },
        },
        "title: Must be less than 40 character(s).",
    ),
    (
        "Okta",
        {
            "errorCode": "E0000001",
            "errorSummary": "Api validation failed: login",
            "errorLink": "E0000001",
            "errorId": "oaeXX",
            "errorCauses": [
                {"errorSummary": "login: An object with this field already exists in the current organization"}
            ],
        },
        "login: An object with this field already exists in the current organization",
    ),
    (
        "Okta nocause",
        {
            "errorCode": "E0000007",
            "errorSummary": "Not found: Resource not found: 00u (User)",
            "errorLink": "E0000007",
            "errorId": "oae",
            "errorCauses": [],
        },
        "Not found: Resource not found: 00u (User)",
    ),
    (
        "Google",
        {
            "error": {
                "code": 400,
                "message": "Invalid JSON payload received.",
                "status": "INVALID_ARGUMENT",
                "details": [
                    {
                        "@type": "type.googleapis.com/google.rpc.BadRequest",
                        "fieldViolations": [{"field": "user.name", "description": "Name too long"}],
                    }
                ],
            }
        },
        "user.name: Name too long",
    ),
    (
        "Google legacy",
        {
            "error": {
                "errors": [{"domain": "global", "reason": "invalid", "message": "Invalid Input: primary_user_email"}],
                "code": 400,
                "message": "Invalid Input: primary_user_email",
            }
        },
        "Invalid Input: primary_user_email",
    ),
    (
        "Salesforce",
        [
            {
                "message": "Name: data value too large: xxx (max length=40)",
                "errorCode": "STRING_TOO_LONG",
                "fields": ["Name"],
            }
        ],
        "Name: data value too large: xxx (max length=40)",
    ),
    (
        "Jira",
        {"errorMessages": [], "errors": {"summary": "Summary must be less than 255 characters."}},
        "Summary must be less than 255 characters.",
    ),
    (
        "Jira2",
        {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}},
        "Issue does not exist or you do not have permission to see it.",
    ),
    (
        "HubSpot errs",
        {
            "status": "error",
            "message": "Invalid input JSON",
            "correlationId": "a",
            "category": "VALIDATION_ERROR",
            "errors": [
                {
                    "message": "Email is invalid",
                    "in": "properties.email",
                    "code": "INVALID_EMAIL",
                    "context": {"propertyName": ["email"]},
                }
            ],
        },
        "properties.email: Email is invalid",
    ),
    (
        "Stripe",
        {
            "error": {
                "code": "email_invalid",
                "doc_url": "https://stripe.com/docs",
                "message": "Invalid email address: x",
                "param": "email",
                "type": "invalid_request_error",
            }
        },
        "Invalid email address: x",
    ),
    (
        "MS Graph",
        {
            "error": {
                "code": "Request_BadRequest",
                "message": "Invalid value specified for property 'mail' of resource 'User'.",
                "innerError": {"date": "2026", "request-id": "x", "client-request-id": "x"},
                "details": [{"code": "InvalidValue", "target": "mail", "message": "The mail is not valid"}],
            }
        },
        "The mail is not valid",
    ),
    (
        "OData",
        {"error": {"code": "", "message": {"lang": "en-US", "value": "Invalid value for name"}}},
        "Invalid value for name",
    ),
    (
        "WooCommerce",
        {
            "code": "rest_invalid_param",
            "message": "Invalid parameter(s): name",
            "data": {
                "status": 400,
                "params": {"name": "name is too long."},
                "details": {
                    "name": {
                        "code": "rest_too_long",
                        "message": "name must be at most 40 characters long.",
                        "data": None,
                    }
                },
            },
        },
        "name must be at most 40 characters long.; name is too long.",
    ),
    (
        "ServiceNow",
        {
            "error": {"message": "Operation Failed", "detail": "Data Policy Exception: Short description is mandatory"},
            "status": "failure",
        },
        "Data Policy Exception: Short description is mandatory",
    ),
    (
        "FastAPI",
        {
            "detail": [
                {
                    "loc": ["body", "name"],
                    "msg": "ensure this value has at most 40 characters",
                    "type": "value_error.any_str.max_length",
                }
            ]
        },
        "name: ensure this value has at most 40 characters",
    ),
    (
        "AspNet",
        {
            "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
            "title": "One or more validation errors occurred.",
            "status": 400,
            "errors": {"Name": ["The field Name must be a string with a maximum length of 40."]},
            "traceId": "00-x",
        },
        "The field Name must be a string with a maximum length of 40.",
    ),
    (
        "Strapi",
        {
            "data": None,
            "error": {
                "status": 400,
                "name": "ValidationError",
                "message": "2 errors occurred",
                "details": {
                    "errors": [
                        {"path": ["name"], "message": "name must be at most 40 characters", "name": "ValidationError"},
                        {"path": ["slug"], "message": "slug must be unique", "name": "ValidationError"},
                    ]
                },
            },
        },
        "name must be at most 40 characters; slug must be unique",
    ),
    (
        "express-validator",
        {"errors": [{"type": "field", "value": "x", "msg": "Invalid value", "path": "name", "location": "body"}]},
        "name: Invalid value",
    ),
    (
        "Kinto",
        {
            "code": 400,
            "errno": 107,
            "error": "Invalid parameters",
            "message": "name in body: Required",
            "details": [{"location": "body", "name": "name", "description": "Required"}],
        },
        "name: Required",
    ),
    (
        "GraphQL",
        {
            "errors": [
                {"message": "Field 'x' doesn't exist", "locations": [{"line": 1, "column": 2}], "path": ["update", "x"]}
            ],
            "data": None,
        },
        "update.x: Field 'x' doesn't exist",
    ),
]
"""By maker: a body in the shape of its documentation, and the half of it that helps: which field, and why."""


@pytest.mark.parametrize(
    ("data", "sentence"), [pytest.param(*case, id=maker) for maker, *case in OF_FRAMEWORKS_AND_APIS]
)
def test_the_sentence_says_which_field_and_why(data: Any, sentence: str) -> None:
    assert said(data) == sentence


def test_a_record_that_comes_along_is_no_error() -> None:
    record = {"name": "Ann Example", "owner": {"name": "Bob Example"}, "tags": ["a b", "c d"]}
    assert said({"message": "You may not edit this.", "data": record}) == "You may not edit this."
    assert said({"message": "You may not edit this.", "details": record}) == "You may not edit this."


@pytest.mark.parametrize("body", [b"", b"  \r\n ", b"{}", b"[]", b'""', b"null", b"\xef\xbb\xbf"])
def test_a_body_that_says_nothing_gives_no_sentence(body: bytes) -> None:
    assert error_sentence(body) == ""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"Bad Gateway\n", "Bad Gateway"),
        (b"<html><head><title>502 Bad&nbsp;Gateway</title></head><body>x</body></html>", "502 Bad Gateway"),
        (b"<h1>Oops</h1><p>Try &amp; again</p>", "Oops Try & again"),
        (b"<title> </title><p>empty title</p>", "empty title"),
        (b"<TITLE lang=en>Up<b>per</b></TITLE>", "Up per"),
        (b"<style>p { color: red }</style><script>alert('<p>')</script><!-- <p>no</p> -->Sorry", "Sorry"),
        (b"<script>never closed", ""),
        (b"a < b and nothing more", "a < b and nothing more"),
        (b"\xef\xbb\xbf" + b'{"message": "after a mark"}', "after a mark"),
        (b"\xff\xfe\x00\x01", "��"),
        (b'{"message": "cut of', '{"message": "cut of'),
    ],
)
def test_what_is_no_json_is_told_as_plain_text(body: bytes, sentence: str) -> None:
    assert error_sentence(body) == sentence


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        (("fault.text",), "the text"),
        (("nowhere", "fault.text"), "the text"),
        (("fault",), "fault as a whole"),
        (("nowhere",), "the usual place"),
        (("fault.list[*].text",), "a; b"),
        (("length(number)",), "the usual place"),
        (("no_such_function(@)", "fault.text"), "the text"),
        (("join(', ', fault.list[*].text)",), "a, b"),
    ],
)
def test_a_targets_own_places_are_looked_at_first(paths: tuple[str, ...], sentence: str) -> None:
    data = {
        "message": "the usual place",
        "number": 5,
        "fault": {"reason": "fault as a whole", "text": "the text", "list": [{"text": "a"}, {"text": "b"}]},
    }
    assert said(data, *paths) == sentence


def test_a_long_sentence_is_cut_where_everybody_sees_it() -> None:
    assert said({"message": "x" * MAX_CHARACTERS}) == "x" * MAX_CHARACTERS
    assert said({"message": "x" * 301}) == "x" * 299 + "…"


def test_the_sentence_is_found_in_a_body_as_large_as_the_client_keeps() -> None:
    assert said({"trace": "x" * 65_000, "message": "at the end"}) == "at the end"


@pytest.mark.parametrize(
    "body",
    [
        b"x" * 10_000_000,
        b'{"message": "' + b"x" * 10_000_000 + b'"}',
        b"<" * 1_000_000,
        b"<title>" * 200_000,
        b"<title" * 200_000,
        b"<script" * 200_000,
        b"<script>" * 200_000,
        b"<!--" * 200_000,
        b"&amp" * 200_000,
        b"[" * 1_000_000,
        b'{"error":' * 200_000,
        json.dumps({"errors": [{"message": str(number)} for number in range(4000)]}).encode(),
    ],
)
def test_a_huge_or_hostile_body_costs_little(body: bytes) -> None:
    started = time.process_time()
    assert len(error_sentence(body)) <= MAX_CHARACTERS
    assert time.process_time() - started < 0.5


def test_what_is_nested_too_deep_is_told_as_it_stands() -> None:
    data: Any = "deep"
    for _ in range(50):
        data = {"error": data}
    assert said(data).startswith('{"error": {"error": ')


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["error", "errors", "message", "path", "name", "code"]) | st.text(), inner)
    ),
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
def test_whatever_the_body_the_sentence_is_one_printable_line(body: bytes) -> None:
    sentence = error_sentence(body, ["error.message", "sort(errors)", "length(message)"])
    assert sentence.isprintable()
    assert len(sentence) <= MAX_CHARACTERS
    assert sentence == sentence.strip()
