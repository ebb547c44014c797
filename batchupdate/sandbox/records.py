"""The records a sandbox starts with: the same ones for the same seed, on every machine and in every version.

The samples name records by these ids, so how an id is made must never change. Record number i depends on the seed and
on i alone: the first five of 60 are the five of 5.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
FIRST_CREATED_MS = 1_767_261_600_000  # 2026-01-01T10:00:00Z
CREATED_EVERY_MS = 97 * 60_000  # an odd step, so that times don't all look alike
BUILT_BY_LANGDOCK = ("Gmail", "Google Calendar", "Outlook")

_TOOLS = (
    "Slack", "Jira", "Confluence", "Salesforce", "HubSpot", "Zendesk", "GitHub", "GitLab", "Notion", "Asana",
    "Linear", "Personio", "SAP", "Snowflake", "Stripe", "Shopify", "Intercom", "Airtable", "Miro", "Trello",
)  # fmt: skip
_TEAMS = ("Sales", "Support", "Finance", "People", "Legal", "Marketing", "Engineering", "Data", "Design", "Operations")
_AUTH_TYPES = ("API_KEY", "OAUTH", "NONE")
_PROVIDERS = (("anthropic", "Anthropic"), ("openai", "OpenAI"), ("google", "Gemini"), ("mistral", "Mistral"))
_CITIES = ("Berlin", "Hamburg", "Ulm", "Köln", "Leipzig")
_STAGES = ("Production", "Staging", "Development", "Research", "Evaluation")


@dataclass(frozen=True, slots=True)
class LangdockRecord:
    """One Langdock integration, as the API keeps it.

    `built_by_langdock` marks Langdock's own ones, which a customer can read but not rename; `forbidden` one that the
    keys have no access to (403).
    """

    id: str
    name: str
    description: str | None
    auth_type: str = "API_KEY"
    icon_url: str | None = None
    color: str | None = None
    built_by_langdock: bool = False
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class NairiRecord:
    """One Nairi LLM integration. `id` has its prefix `ai_`; the times are ISO 8601 in UTC with milliseconds."""

    id: str
    type: str
    name: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class ContactRecord:
    """One contact; `fields` is its JSON, with the object `address` and the array `labels` in it.

    `version` counts its changes, from 1. `note` can be written and not read.
    """

    id: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """What the APIs hold when a sandbox starts."""

    langdock: tuple[LangdockRecord, ...] = ()
    nairi: tuple[NairiRecord, ...] = ()
    contacts: tuple[ContactRecord, ...] = ()

    @property
    def forbidden(self) -> tuple[LangdockRecord, ...]:
        """The Langdock records that answer 403 to everything."""
        return tuple(record for record in self.langdock if record.forbidden)

    @property
    def built_by_langdock(self) -> tuple[LangdockRecord, ...]:
        """Langdock's own integrations, which answer 403 to a change."""
        return tuple(record for record in self.langdock if record.built_by_langdock)


def make_records(*, langdock: int = 60, nairi: int = 40, contacts: int = 12, seed: int = 1) -> Records:
    """Makes the records of a sandbox.

    Args:
        langdock: how many integrations a customer may rename. After them come three of Langdock's own and one that
            is forbidden, unless it is 0.
        nairi: how many LLM integrations.
        contacts: how many contacts; these are the same for every seed.
        seed: another seed gives other ids; the names stay.

    Raises:
        ValueError: a number is negative.
    """
    if (least := min(langdock, nairi, contacts)) < 0:
        raise ValueError(f"A sandbox can't hold {least} records; the least is 0.")
    ours = [_langdock(seed, index) for index in range(langdock)]
    return Records(
        (*ours, *(_extras(seed) if langdock else ())),
        tuple(_nairi(seed, i) for i in range(nairi)),
        tuple(map(_contact, range(contacts))),
    )


def iso_ms(moment: datetime) -> str:
    """A moment as Nairi writes it: `2026-02-20T14:00:00.000Z`."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(seed: int, what: str, index: int) -> bytes:
    """16 bytes that look random. A hash keeps them equal in all Python versions, and any one record cheap."""
    return blake2b(f"{seed}/{what}/{index}".encode(), digest_size=16).digest()


def _uuid(seed: int, what: str, index: int) -> str:
    return str(uuid.UUID(bytes=_digest(seed, what, index), version=4))


def _langdock(seed: int, index: int) -> LangdockRecord:
    # Tools and teams turn at different speeds: 200 different names before the first needs a number.
    pair, again = index % (len(_TOOLS) * len(_TEAMS)), index // (len(_TOOLS) * len(_TEAMS))
    tool, team = _TOOLS[pair % len(_TOOLS)], _TEAMS[(pair + pair // len(_TOOLS)) % len(_TEAMS)]
    return LangdockRecord(
        id=_uuid(seed, "langdock", index),
        name=f"{tool} {team}{f' {again + 1}' if again else ''}",
        description=f"{tool} for the {team.lower()} team",
        auth_type=_AUTH_TYPES[index % len(_AUTH_TYPES)],
        icon_url=f"https://icons.example.com/{tool.lower()}.png",
        color=f"#{index * 2_654_435_761 % 0x1000000:06X}",
    )


def _extras(seed: int) -> list[LangdockRecord]:
    """Langdock's own integrations and the forbidden one."""
    own = [
        LangdockRecord(
            id=_uuid(seed, "langdock-own", index),
            name=name,
            description=f"{name}, built by Langdock",
            auth_type="OAUTH",
            built_by_langdock=True,
        )
        for index, name in enumerate(BUILT_BY_LANGDOCK)
    ]
    forbidden = LangdockRecord(
        id=_uuid(seed, "langdock-forbidden", 0),
        name="Board Papers",
        description="Belongs to another workspace",
        forbidden=True,
    )
    return [*own, forbidden]


def _nairi(seed: int, index: int) -> NairiRecord:
    created_ms = FIRST_CREATED_MS + index * CREATED_EVERY_MS
    # A ULID is 48 bits of time and 80 of chance, so the id agrees with created_at as a real one does.
    chance = int.from_bytes(_digest(seed, "nairi", index)[:10], "big")
    provider, title = _PROVIDERS[index % len(_PROVIDERS)]
    stage, again = _STAGES[index % len(_STAGES)], index // (len(_PROVIDERS) * len(_STAGES))
    created_at = iso_ms(datetime.fromtimestamp(created_ms / 1000, UTC))
    return NairiRecord(
        id=f"ai_{_crockford(created_ms << 80 | chance)}",
        type=provider,
        name=f"{stage} {title}{f' {again + 1}' if again else ''}",
        created_at=created_at,
        updated_at=created_at,
    )


def _contact(index: int) -> ContactRecord:
    """The street of every fourth contact is null, and every third one has no postcode at all."""
    address: dict[str, Any] = {"street": f"High Street {index + 1}" if index % 4 else None}
    address["city"] = _CITIES[index % len(_CITIES)]
    if index % 3:
        address["zip"] = f"{10_115 + index * 37:05}"
    labels = [_TEAMS[(index + step) % len(_TEAMS)].lower() for step in range(index % 4)]
    fields = {"name": f"Contact {index + 1}", "labels": labels, "address": address}
    return ContactRecord(f"c{index + 1}", fields)


def _crockford(number: int) -> str:
    """128 bits as the 26 digits of a ULID."""
    return "".join([CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)])
