"""The exact bytes that each target of the gallery sends for the first row of its sample; and what its lists mean."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml
from raw_server import OK, serving

from batchupdate.config import Settings
from batchupdate.model import Reply
from batchupdate.roundtrip.pull import pull_records
from batchupdate.roundtrip.sheet import Form
from batchupdate.roundtrip.trial import preview_of
from batchupdate.run import run_file
from batchupdate.targets import builtin_names, find_target, gallery_names

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from batchupdate.targets import Target

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples" / "targets"
KEY = "sk-test-0123456789"
BEARER = f"Bearer {KEY}"


class Sent(NamedTuple):
    """A request as the vendor's documentation has it."""

    line: str
    body: str
    authorization: str = BEARER
    content_type: str = "application/json"
    headers: tuple[str, ...] = ()


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{KEY}".encode()).decode()


SENT = {
    "airtable-record": Sent(
        "PATCH /v0/appABCDEFGHIJKLMN/Tasks/recABCDEFGHIJKLMN",
        '{"typecast":true,"fields":{"Name":"Call Ann","Status":"Done"}}',
    ),
    "contentful-entry": Sent(
        "PATCH /spaces/5nvk6q4s3ttw/environments/master/entries/5KsDBWseXY6QegucYAoacS",
        '[{"op":"add","path":"/fields/title/en-US","value":"Hello, World!"},'
        '{"op":"add","path":"/fields/slug/en-US","value":"hello-world"}]',
        content_type="application/json-patch+json",
        headers=("X-Contentful-Version: 7",),
    ),
    "datasette-row": Sent("POST /data/contacts/~2Fa~2Eb/-/update", '{"update":{"name":"Ann","notes":"new"}}'),
    "datasette-upsert": Sent("POST /data/contacts/~2Fa~2Eb/-/update", '{"update":{"name":"Ann","notes":"new"}}'),
    "github-issue": Sent(
        "PATCH /repos/octocat/hello-world/issues/1347",
        '{"title":"Found a bug","state":"open","labels":["bug","help wanted"]}',
        headers=("X-GitHub-Api-Version: 2022-11-28",),
    ),
    "google-directory-user": Sent(
        "PATCH /admin/directory/v1/users/ann%40acme.example",
        '{"name":{"givenName":"Ann"},"orgUnitPath":"/Sales","suspended":false}',
    ),
    "hubspot-contact": Sent(
        "PATCH /crm/v3/objects/contacts/33451",
        '{"properties":{"firstname":"Ann","jobtitle":"Head of Sales","lifecyclestage":"customer"}}',
    ),
    "hubspot-contact-by-email": Sent(
        "PATCH /crm/v3/objects/contacts/ann%2Bnews%40acme.example?idProperty=email",
        '{"properties":{"firstname":"Ann","company":"Acme"}}',
    ),
    "intercom-contact": Sent(
        "PUT /contacts/5ba682d23d7cf92bef87bfd4",
        '{"name":"Ann","email":"ann@acme.example","unsubscribed_from_emails":false}',
        headers=("Intercom-Version: 2.11",),
    ),
    "jira-issue": Sent(
        "PUT /rest/api/3/issue/PROJ-17?notifyUsers=true",
        '{"fields":{"summary":"Invoices are late","labels":["billing","urgent"],"priority":{"name":"High"},'
        '"duedate":"2026-12-01"}}',
        basic("ann@acme.example"),
    ),
    "klaviyo-profile": Sent(
        "PATCH /api/profiles/01GDDKASAP8TKDDA2GRZDSVP4H",
        '{"data":{"type":"profile","id":"01GDDKASAP8TKDDA2GRZDSVP4H","attributes":{"first_name":"Ann",'
        '"location":{"city":"Ulm"},"organization":null}}}',
        f"Klaviyo-API-Key {KEY}",
        "application/vnd.api+json",
        ("revision: 2024-10-15",),
    ),
    "mailchimp-member": Sent(
        "PATCH /3.0/lists/9e67587f52/members/62eeb292278cc15f5817cb78f7790b08",
        '{"status":"subscribed","merge_fields":{"FNAME":"Urist"},"vip":false}',
        basic("key"),
    ),
    "microsoft-graph-user": Sent(
        "PATCH /v1.0/users/ann%40acme.example",
        '{"jobTitle":"Head of Sales","department":"Sales","businessPhones":["+49 30 123456"]}',
    ),
    "microsoft-graph-user-batch": Sent(
        "PATCH /users/ann%40acme.example",
        '{"jobTitle":"Head of Sales","department":"Sales","businessPhones":["+49 30 123456"]}',
    ),
    "nairi-agent-env-var": Sent(
        "PATCH /api/public/v1/agents/team%2Fhelper/env-vars/API_URL", '{"value":"https://api.acme.example"}'
    ),
    "nairi-artifact-rule": Sent(
        "PUT /api/public/v1/artifacts/rules/aar_01KJWRKX0ZNZP91YG3Q353776Q",
        '{"title":"Updated Code Style Rules","description":"Old","content":"Old…"}',
    ),
    "nairi-scheduled-job": Sent(
        "PATCH /api/public/v1/scheduled-jobs/sj_01KFRX8K1CKQGCV2W5J9C9Z37H",
        '{"schedule":"0 10 * * *","is_enabled":false}',
    ),
    "notion-page": Sent(
        "PATCH /v1/pages/59833787-2cf9-4fdf-8782-e53db20768a5",
        '{"properties":{"Status":{"status":{"name":"In progress"}},"Amount":{"number":12.50},"Done":{"checkbox":false},'
        '"Due":{"date":{"start":"2026-12-01"}},"Name":{"title":[{"text":{"content":"Call Ann"}}]},'
        '"Tags":{"multi_select":[{"name":"sales"},{"name":"urgent"}]}}}',
        headers=("Notion-Version: 2022-06-28",),
    ),
    "okta-user": Sent(
        "POST /api/v1/users/ann%40acme.example",
        '{"profile":{"firstName":"Ann","department":"Sales","countryCode":"DE"}}',
        f"SSWS {KEY}",
    ),
    "salesforce-sobject": Sent(
        "PATCH /services/data/v61.0/sobjects/Contact/003D000000QYVc1IAH",
        '{"FirstName":"Ann","Title":"Head of Sales","MailingCity":"Ulm"}',
    ),
    "servicenow-record": Sent(
        "PATCH /api/now/table/incident/a9e30c7dc61122760116894de7bcc7bd?sysparm_exclude_reference_link=true",
        '{"short_description":"Mail is down","urgency":"1"}',
        basic("ann@acme.example"),
    ),
    "shopify-product": Sent(
        "PUT /admin/api/2025-10/products/632910392.json",
        '{"product":{"id":"632910392","title":"Snowboard","status":"active","tags":"winter, sale"}}',
        "",
        headers=(f"X-Shopify-Access-Token: {KEY}",),
    ),
    "stripe-customer": Sent(
        "POST /v1/customers/cus_NffrFeUfNV2Hib",
        "name=Ann+%26+S%C3%B6hne&address[city]=Ulm&preferred_locales[0]=de&preferred_locales[1]=en",
        content_type="application/x-www-form-urlencoded",
    ),
    "woocommerce-product": Sent(
        "PUT /wp-json/wc/v3/products/794",
        '{"name":"Premium Quality","regular_price":"24.54","stock_quantity":12,"manage_stock":true}',
        basic("ann@acme.example"),
    ),
    "zendesk-ticket": Sent(
        "PUT /api/v2/tickets/35436",
        '{"ticket":{"status":"open","priority":"high","tags":["billing","vip"],"assignee_id":235323}}',
        basic("ann@acme.example/token"),
    ),
}
HOSTS = {
    "airtable-record": "https://api.airtable.com",
    "contentful-entry": "https://api.contentful.com",
    "datasette-row": None,
    "datasette-upsert": None,
    "github-issue": "https://api.github.com",
    "google-directory-user": "https://admin.googleapis.com",
    "hubspot-contact": "https://api.hubapi.com",
    "hubspot-contact-by-email": "https://api.hubapi.com",
    "intercom-contact": "https://api.intercom.io",
    "jira-issue": "https://acme.atlassian.net",
    "klaviyo-profile": "https://a.klaviyo.com",
    "mailchimp-member": "https://us19.api.mailchimp.com",
    "microsoft-graph-user": "https://graph.microsoft.com",
    "microsoft-graph-user-batch": "https://graph.microsoft.com/v1.0",
    "nairi-agent-env-var": "https://api.nairi.ai",
    "nairi-artifact-rule": "https://api.nairi.ai",
    "nairi-scheduled-job": "https://api.nairi.ai",
    "notion-page": "https://api.notion.com",
    "okta-user": "https://acme.okta.com",
    "salesforce-sobject": "https://acme.my.salesforce.com",
    "servicenow-record": "https://dev12345.service-now.com",
    "shopify-product": "https://acme.myshopify.com",
    "stripe-customer": "https://api.stripe.com",
    "woocommerce-product": "https://shop.example.com",
    "zendesk-ticket": "https://acme.zendesk.com",
}


def values_of(target: Target) -> dict[str, str]:
    return {name: rule.example or str(rule.default) for name, rule in target.variables.items()}


def with_a_key_of_its_own(target: Target, folder: Path) -> str:
    """The same target with a key in place of the tokens that it would fetch elsewhere."""
    ready = target.with_variables(values_of(target))
    declared = ready.model_dump(mode="json", exclude_unset=True, exclude={"auth", "variables"})
    declared["statuses"] = {
        int(status): rule for status, rule in declared.get("statuses", {}).items()
    }  # JSON has texts
    path = folder / "target.yaml"
    path.write_text(yaml.safe_dump({**declared, "auth": {"env": "TOKEN"}}, sort_keys=False), "utf-8")
    return str(path)


def test_every_target_of_the_gallery_is_tried_and_has_a_sample_and_a_page() -> None:
    assert gallery_names() == sorted(SENT) == sorted(HOSTS)
    assert sorted(path.stem for path in SAMPLES.glob("*.csv")) == gallery_names()
    assert not {*gallery_names()} & {*builtin_names()}
    for name in gallery_names():
        target = find_target(name)
        assert (target.name, target.docs[:8]) == (name, "https://")


READ = {
    "nairi-artifact-rule": '{"id": "aar_01KJWRKX0ZNZP91YG3Q353776Q", "title": "Old", "description": "Old", '
    '"content": "Old…"}'
}
"""What is answered to a read before a change, and to the change, where that matters."""
CHANGED = {"nairi-artifact-rule": '{"title":"Updated Code Style Rules"}'}
"""What a preview shows of a body in which the whole record is sent."""


@pytest.mark.parametrize("name", sorted(SENT))
async def test_the_first_row_of_the_sample_is_sent_as_the_documentation_says(name: str, tmp_path: Path) -> None:
    target, wanted = find_target(name), SENT[name]
    environ = {"TOKEN": KEY, str(target.auth.env): KEY}
    if not isinstance(target.auth.user, str):
        environ[str(target.auth.user.env)] = "ann@acme.example"
    oauth = target.auth.scheme == "oauth2"
    settings = Settings(
        target=with_a_key_of_its_own(target, tmp_path) if oauth else name,
        variables={} if oauth else values_of(target),
        rate="unlimited",
        runs_dir=tmp_path / "runs",
        batch_size=1,
    )
    body = READ.get(name, '{"ok": true, "sys": {"version": 7}}').encode()
    answer = OK.replace(b"2\r\n\r\n{}", f"{len(body)}\r\n\r\n".encode() + body)
    async with serving(answer) as server:
        settings = settings.model_copy(update={"base_url": server.url})
        summary = await run_file(SAMPLES / f"{name}.csv", settings, environ=environ)
    assert {outcome.value: count for outcome, count in summary.counts.items() if count} == {"updated": 2}
    assert not summary.notices
    at = next(at for at, head in enumerate(server.heads) if head.startswith(f"{wanted.line} ".encode()))
    headers = server.heads[at].decode().split("\r\n")
    assert headers[0] == f"{wanted.line} HTTP/1.1"
    assert server.bodies[at].decode() == wanted.body
    assert f"Content-Type: {wanted.content_type}" in headers
    sent = [header.removeprefix("Authorization: ") for header in headers if header.startswith("Authorization:")]
    assert sent == [wanted.authorization] * bool(wanted.authorization)
    assert set(wanted.headers) <= set(headers)
    keys = [header for header in headers if header.startswith("Idempotency-Key: ")]
    assert bool(keys) == (name == "stripe-customer")
    preview = preview_of(str(SAMPLES / f"{name}.csv"), settings, environ).preview
    assert preview is not None
    assert (preview.method, preview.url) == (wanted.line.split()[0], server.url + wanted.line.split()[1])
    assert preview.body.decode() == CHANGED.get(name, wanted.body)
    secret = ("Authorization", "X-Shopify-Access-Token", "Idempotency-Key", "X-Contentful-Version")
    shown = {f"{key}: {value}" for key, value in preview.headers.items() if key not in secret}
    framing = ("Host", "Content-Length", *secret)
    assert shown == {header for header in headers[1:] if header and header.split(":")[0] not in framing}
    assert KEY not in str(preview)


BATCHES = {
    "airtable-record": (
        "PATCH /v0/appABCDEFGHIJKLMN/Tasks",
        (
            '{"records":[{"id":"recABCDEFGHIJKLMN","fields":{"Name":"Call Ann","Status":"Done"}},'
            '{"id":"recABCDEFGHIJKLMO","fields":{"Status":"In progress"}}],"typecast":true}'
        ),
        {"records": [{"id": "recABCDEFGHIJKLMO"}, {"id": "recABCDEFGHIJKLMN"}]},
    ),
    "datasette-upsert": (
        "POST /data/contacts/-/upsert",
        '{"rows":[{"id":"/a.b","name":"Ann","notes":"new"},{"id":"2","name":"Bob","notes":null}]}',
        {"ok": True},
    ),
    "hubspot-contact": (
        "POST /crm/v3/objects/contacts/batch/update",
        (
            '{"inputs":[{"id":"33451","properties":{"firstname":"Ann","jobtitle":"Head of Sales","lifecyclestage":'
            '"customer"}},{"id":"33452","properties":{"jobtitle":"","lifecyclestage":"lead"}}]}'
        ),
        {"status": "COMPLETE", "results": [{"id": "33451", "properties": {}}, {"id": "33452", "properties": {}}]},
    ),
    "microsoft-graph-user-batch": (
        "POST /$batch",
        (
            '{"requests":[{"id":"1","method":"PATCH","url":"/users/ann%40acme.example","headers":{"Content-Type":'
            '"application/json"},"body":{"jobTitle":"Head of Sales","department":"Sales","businessPhones":'
            '["+49 30 123456"]}},{"id":"2","method":"PATCH","url":"/users/87d349ed-44d7-43e1-9a83-5f2406dee5bd",'
            '"headers":{"Content-Type":"application/json"},"body":{"department":null}}]}'
        ),
        {"responses": [{"id": "2", "status": 204, "body": None}, {"id": "1", "status": 204, "body": None}]},
    ),
    "salesforce-sobject": (
        "PATCH /services/data/v61.0/composite/sobjects",
        (
            '{"allOrNone":false,"records":[{"attributes":{"type":"Contact"},"id":"003D000000QYVc1IAH","FirstName":"Ann",'
            '"Title":"Head of Sales","MailingCity":"Ulm"},{"attributes":{"type":"Contact"},"id":"003D000000QYVc2IAH",'
            '"MailingCity":"Köln"}]}'
        ),
        [{"id": "003D000000QYVc1IAH", "success": True, "errors": []}, {"success": True, "errors": []}],
    ),
    "woocommerce-product": (
        "POST /wp-json/wc/v3/products/batch",
        (
            '{"update":[{"id":"794","name":"Premium Quality","regular_price":"24.54","stock_quantity":12,'
            '"manage_stock":true},{"id":"795","regular_price":"19.90"}]}'
        ),
        {"update": [{"id": 794}, {"id": 795}]},
    ),
}


def test_every_target_of_the_gallery_with_batches_is_tried_with_them() -> None:
    assert sorted(BATCHES) == [name for name in gallery_names() if find_target(name).batch]


@pytest.mark.parametrize("name", sorted(BATCHES))
async def test_the_rows_of_the_sample_go_out_in_one_request_as_the_documentation_says(
    name: str, tmp_path: Path
) -> None:
    target, (line, body, reply) = find_target(name), BATCHES[name]
    environ = {"TOKEN": KEY, str(target.auth.env): KEY, "WOOCOMMERCE_CONSUMER_KEY": "ck_0123456789"}
    oauth = target.auth.scheme == "oauth2"
    settings = Settings(
        target=with_a_key_of_its_own(target, tmp_path) if oauth else name,
        variables={} if oauth else values_of(target),
        rate="unlimited",
        diff="never",
        runs_dir=tmp_path / "runs",
    )
    text = json.dumps(reply).encode()
    answer = OK.replace(b"2\r\n\r\n{}", f"{len(text)}\r\n\r\n".encode() + text)
    async with serving(answer) as server:
        settings = settings.model_copy(update={"base_url": server.url})
        summary = await run_file(SAMPLES / f"{name}.csv", settings, environ=environ)
    assert {outcome.value: count for outcome, count in summary.counts.items() if count} == {"updated": 2}
    assert [head.decode().partition(" HTTP/1.1")[0] for head in server.heads] == [line]
    assert b"\r\nContent-Type: application/json\r\n" in server.heads[0]
    assert [one.decode() for one in server.bodies] == [body]


@pytest.mark.parametrize("name", sorted(HOSTS))
def test_the_host_is_the_vendors(name: str) -> None:
    target = find_target(name)
    ready = target.with_variables(values_of(target))
    assert ready.base_url == HOSTS[name]


@pytest.mark.parametrize("name", sorted(SENT))
def test_a_list_asks_for_every_field_that_it_is_said_to_contain(name: str) -> None:
    target = find_target(name)
    if target.list is None:
        assert name.startswith("nairi-") or name == "hubspot-contact-by-email"
        return
    asked = re.search(r"(?:properties|fields|select|SELECT)(?:=|\+)([A-Za-z0-9_,]+)", target.list.path)
    if asked:
        members = {
            target.paths[field][0] if field in target.paths else target.places[field].first for field in target.fields
        }
        assert members <= set(asked[1].split(","))
    reading = re.search(r"(?:properties|fields|select)=([A-Za-z0-9_,]+)", (target.read and target.read.path) or "")
    if reading and asked:
        assert {*asked[1].split(",")} - {"id", "sys_id", "Id"} == set(reading[1].split(","))


NOTION = {
    "Name": {"type": "title", "title": [{"type": "text", "text": {"content": "Call Ann"}}]},
    "Status": {"type": "status", "status": {"name": "In progress"}},
    "Tags": {"type": "multi_select", "multi_select": [{"name": "sales"}, {"name": "urgent"}]},
    "Amount": {"type": "number", "number": 12.5},
    "Done": {"type": "checkbox", "checkbox": False},
    "Due": {"type": "date", "date": {"start": "2026-12-01"}},
    "Category": {"type": "select", "select": None},
    "Notes": {"type": "rich_text", "rich_text": []},
}
"""The properties of a page, as its documentation has them."""
PAGES: dict[str, list[tuple[dict[str, object] | list[object], str]]] = {
    "salesforce-sobject": [
        (
            {"totalSize": 2, "done": False, "nextRecordsUrl": "/services/data/v61.0/query/01gD0000002HU6KIAW-2000"}
            | {"records": [{"attributes": {"type": "Contact"}, "Id": "003D000000QYVc1IAH", "FirstName": "Ann"}]},
            "",
        ),
        ({"totalSize": 2, "done": True, "records": [{"Id": "003D000000QYVc2IAH", "FirstName": None}]}, ""),
    ],
    "hubspot-contact": [
        (
            {"results": [{"id": "1", "properties": {"firstname": "Ann", "email": "a@x.example"}, "archived": False}]}
            | {"paging": {"next": {"after": "NTI1Cg%3D%3D", "link": "?after=NTI1Cg%3D%3D"}}},
            "",
        ),
        ({"results": [{"id": "2", "properties": {"firstname": None}}]}, ""),
    ],
    "jira-issue": [
        ({"issues": [{"key": "A-1", "fields": {"priority": {"name": "High"}}}], "nextPageToken": "CAEaAggD"}, ""),
        ({"issues": [{"key": "A-2", "fields": {"priority": None}}], "isLast": True}, ""),
    ],
    "github-issue": [
        (
            [{"number": 7, "repository": {"name": "r", "owner": {"login": "o"}}, "labels": [{"name": "bug"}]}],
            'Link: <{url}/issues?filter=all&page=2>; rel="next"\r\n',
        ),
        ([{"number": 8, "repository": {"name": "r", "owner": {"login": "o"}}, "title": "T"}], ""),
    ],
    "zendesk-ticket": [
        ({"tickets": [{"id": 1, "status": "closed"}], "meta": {"has_more": True, "after_cursor": "xxx"}}, ""),
        ({"tickets": [{"id": 2, "subject": "S"}], "meta": {"has_more": False, "after_cursor": "yyy"}}, ""),
    ],
    "airtable-record": [
        ({"records": [{"id": "rec1", "fields": {"Name": "A"}}], "offset": "itr/rec2"}, ""),
        ({"records": [{"id": "rec2", "fields": {"Notes": "N"}}]}, ""),
    ],
    "shopify-product": [
        (
            {"products": [{"id": 1, "title": "A"}]},
            'Link: <{url}/admin/api/2025-10/products.json?page_info=abc&limit=250>; rel="next"\r\n',
        ),
        ({"products": [{"id": 2, "title": "B"}]}, ""),
    ],
    "microsoft-graph-user": [
        ({"@odata.nextLink": "{url}/v1.0/users?$skiptoken=x", "value": [{"id": "a", "displayName": "A"}]}, ""),
        ({"value": [{"id": "b", "businessPhones": ["1"]}]}, ""),
    ],
    "intercom-contact": [
        ({"data": [{"id": "a", "name": "A"}], "total_count": 2, "pages": {"next": {"starting_after": "W1s="}}}, ""),
        ({"data": [{"id": "b"}], "total_count": 2, "pages": {"page": 2}}, ""),
    ],
    "stripe-customer": [
        ({"data": [{"id": "cus_1", "address": {"city": "Ulm"}}], "has_more": True}, ""),
        ({"data": [{"id": "cus_2", "address": None}], "has_more": False}, ""),
    ],
    "mailchimp-member": [
        ({"members": [{"email_address": f"{n}@x.example"} for n in range(500)], "total_items": 501}, ""),
        ({"members": [{"email_address": "z@x.example", "merge_fields": {"FNAME": "Z"}}], "total_items": 501}, ""),
    ],
    "klaviyo-profile": [
        (
            {"data": [{"id": "1", "attributes": {"location": {"city": "Ulm"}}}]}
            | {"links": {"next": "{url}/api/profiles?page%5Bcursor%5D=bmV4dA"}},
            "",
        ),
        ({"data": [{"id": "2", "attributes": {"first_name": "Bob"}}], "links": {"next": None}}, ""),
    ],
    "contentful-entry": [
        ({"total": 2, "skip": 0, "items": [{"sys": {"id": "a"}, "fields": {"title": {"en-US": "A"}}}]}, ""),
        ({"total": 2, "skip": 1, "items": [{"sys": {"id": "b"}, "fields": {}}]}, ""),
    ],
    "google-directory-user": [
        ({"users": [{"primaryEmail": "a@x.example", "name": {"givenName": "Ann"}}], "nextPageToken": "t/1"}, ""),
        ({"users": [{"primaryEmail": "b@x.example", "suspended": True}]}, ""),
    ],
    "okta-user": [
        (
            [{"id": "00u1", "profile": {"firstName": "Ann"}}],
            'Link: <{url}/x>; rel="self"\r\nLink: <{url}/api/v1/users?after=00u1&limit=200>; rel="next"\r\n',
        ),
        ([{"id": "00u2", "profile": {"department": None}}], ""),
    ],
    "woocommerce-product": [
        ([{"id": 1, "name": "A"}], 'Link: <{url}/wp-json/wc/v3/products?per_page=100&page=2>; rel="next"\r\n'),
        ([{"id": 2, "regular_price": "1.00"}], ""),
    ],
    "notion-page": [
        (
            {"results": [{"id": "a", "archived": False, "properties": NOTION}], "next_cursor": "c/1", "has_more": True},
            "",
        ),
        ({"results": [{"id": "b", "properties": {}}], "next_cursor": None, "has_more": False}, ""),
    ],
    "datasette-row": [
        ({"ok": True, "next": "1", "rows": [{"id": 1, "name": "A"}]}, ""),
        ({"ok": True, "next": None, "rows": [{"id": 2, "name": "B"}]}, ""),
    ],
}
"""Two pages of a list, in the shape of the documentation; `{url}` is the server's address."""
SECOND = {
    "salesforce-sobject": "/services/data/v61.0/query/01gD0000002HU6KIAW-2000",
    "hubspot-contact": "&after=NTI1Cg%253D%253D",
    "jira-issue": "&nextPageToken=CAEaAggD",
    "github-issue": "/issues?filter=all&page=2",
    "zendesk-ticket": "/api/v2/tickets?page%5Bsize%5D=100&page[after]=xxx",
    "airtable-record": "/v0/appABCDEFGHIJKLMN/Tasks?pageSize=100&offset=itr%2Frec2",
    "shopify-product": "/admin/api/2025-10/products.json?page_info=abc&limit=250",
    "microsoft-graph-user": "/v1.0/users?$skiptoken=x",
    "intercom-contact": "/contacts?per_page=150&starting_after=W1s%3D",
    "stripe-customer": "/v1/customers?limit=100&starting_after=cus_1",
    "mailchimp-member": "/3.0/lists/9e67587f52/members?offset=500&count=500",
    "klaviyo-profile": "/api/profiles?page%5Bcursor%5D=bmV4dA",
    "contentful-entry": "/spaces/5nvk6q4s3ttw/environments/master/entries?skip=1&limit=100",
    "google-directory-user": "&pageToken=t%2F1",
    "okta-user": "/api/v1/users?after=00u1&limit=200",
    "woocommerce-product": "/wp-json/wc/v3/products?per_page=100&page=2",
    "notion-page": "/v1/databases/668d797c-76fa-4934-9b05-ad288df2d136/query",
    "datasette-row": "/data/contacts.json?_shape=objects&_size=max&_next=1",
}


@pytest.mark.parametrize("name", sorted(PAGES))
async def test_a_list_in_the_shape_of_the_documentation_is_pulled_to_its_end(name: str, tmp_path: Path) -> None:
    target = find_target(name)
    called = with_a_key_of_its_own(target, tmp_path)
    answers: list[bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]] = []
    sheet = tmp_path / "pulled.jsonl"
    async with serving(b"") as server:
        for page, header in PAGES[name]:
            body = json.dumps(page).replace("{url}", server.url).encode()
            head = f"HTTP/1.1 200 OK\r\n{header.replace('{url}', server.url)}Content-Length: {len(body)}\r\n\r\n"
            answers.append(head.encode() + body)
        server.answers[:] = answers
        settings = Settings(base_url=server.url, rate="unlimited")
        pulled = await pull_records(called, settings, sheet, Form.JSONL, environ={"TOKEN": KEY})
    assert pulled.pages == len(server.heads) == 2
    line = server.heads[1].decode().split("\r\n")[0]
    assert line.endswith(f"{SECOND[name]} HTTP/1.1"), line
    rows = [json.loads(one) for one in sheet.read_text("utf-8").splitlines()]
    assert len(rows) == pulled.records == (501 if name == "mailchimp-member" else 2)
    assert all(row[part] for row in rows for part in target.id)
    text = json.dumps(rows)
    assert all(value in text for value in VALUES.get(name, ()))
    assert pulled.locked == (name == "zendesk-ticket")


VALUES = {
    "salesforce-sobject": ['"FirstName": "Ann"'],
    "hubspot-contact": ['"a@x.example"', '"Ann"'],
    "jira-issue": ['"High"'],
    "notion-page": ['"Call Ann"', '"In progress"', '"sales, urgent"', '"2026-12-01"', "12.5"],
    "github-issue": ['"bug"', '"owner": "o"', '"repo": "r"'],
    "zendesk-ticket": ['"S"'],
    "airtable-record": ['"Name": "A"', '"Notes": "N"'],
    "stripe-customer": ['"Ulm"'],
    "mailchimp-member": ['"z@x.example"', '"Z"'],
    "contentful-entry": ['"title": "A"'],
    "google-directory-user": ['"Ann"', "true"],
    "okta-user": ['"Ann"'],
    "woocommerce-product": ['"1.00"'],
    "klaviyo-profile": ['"Ulm"', '"Bob"'],
}


def test_a_wheel_has_the_gallery_and_its_samples_in_it(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    assert (installed / "batchupdate" / "samples" / "targets" / "zendesk-ticket.csv").is_file()
    environ = {**os.environ, "PYTHONPATH": str(installed), "COLUMNS": "200"}
    command = [sys.executable, "-m", "batchupdate", "targets", "list", "--json"]
    shown = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=True)
    assert [one["name"] for one in json.loads(shown.stdout)["targets"]] == [*builtin_names(), *gallery_names()]
    where = [sys.executable, "-c", "import batchupdate; print(batchupdate.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed)


async def test_a_list_that_is_asked_for_with_a_post_has_its_cursor_in_the_body(tmp_path: Path) -> None:
    pages = [json.dumps(page).encode() for page, _ in PAGES["notion-page"]]
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page) for page in pages]
    async with serving(b"") as server:
        server.answers[:] = answers
        settings = Settings(base_url=server.url, rate="unlimited", variables=values_of(find_target("notion-page")))
        await pull_records("notion-page", settings, tmp_path / "n.csv", Form.CSV, environ={"NOTION_TOKEN": KEY})
    assert server.bodies == [b'{"page_size":100}', b'{"page_size":100,"start_cursor":"c/1"}']
    assert all(head.startswith(b"POST /v1/databases/668d797c-76fa") for head in server.heads)


@pytest.mark.parametrize("name", [name for name in gallery_names() if find_target(name).method == "PUT"])
async def test_a_put_of_the_gallery_that_made_a_new_record_is_no_success(name: str, tmp_path: Path) -> None:
    target = find_target(name)
    environ = {str(target.auth.env): KEY}
    if not isinstance(target.auth.user, str):
        environ[str(target.auth.user.env)] = "ann@acme.example"
    settings = Settings(
        target=name, variables=values_of(target), rate="unlimited", batch_size=1, runs_dir=tmp_path / "runs"
    )
    async with serving(OK.replace(b"200 OK", b"201 Created")) as server:
        settings = settings.model_copy(update={"base_url": server.url})
        summary = await run_file(SAMPLES / f"{name}.csv", settings, environ=environ)
    assert {outcome.value: count for outcome, count in summary.counts.items() if count} == {"failed": 2}


def test_every_field_of_a_list_is_read_back_from_where_a_read_has_it() -> None:
    issue = {
        "title": "T",
        "milestone": {"number": 3},
        "labels": [{"name": "bug"}, {"name": "help"}],
        "assignees": [{"login": "ann"}],
    }
    target = find_target("github-issue")
    reply = Reply(200, {}, json.dumps(issue).encode())
    read = target.seen(reply, ["title", "milestone", "labels", "assignees"]).values
    assert read == {"title": "T", "milestone": 3, "labels": ["bug", "help"], "assignees": ["ann"]}
