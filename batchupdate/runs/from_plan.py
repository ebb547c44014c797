"""A run of an approved plan: exactly the rows that it shows, as long as it is still the plan that was approved."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from batchupdate.errors import BatchUpdateError, ConfigError
from batchupdate.reader.sources import file_digest
from batchupdate.reporter.plan_files import JSON
from batchupdate.runs.job import Job
from batchupdate.runs.keys import credentials_of, only_secrets
from batchupdate.runs.metadata import OPTIONS, changed_since, new_run, place_of, rate_of
from batchupdate.runs.plan_folder import NEW_PLAN, PlanDigest
from batchupdate.runs.reopen import checkup_of, hold_target, open_earlier, refuse_other_api
from batchupdate.runs.unfinished import begin
from batchupdate.runs.usual import check_size, size_of
from batchupdate.targets.catalogue import target_of
from batchupdate.util.clock import Clock, SystemClock
from batchupdate.util.text import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from batchupdate.config import Settings
    from batchupdate.runs.plan_folder import PlanFolder
    from batchupdate.runs.reopen import Earlier


@contextmanager
def plan_run_job(  # noqa: PLR0913 - as `prepare` has them
    folder: PlanFolder,
    settings_with: Callable[[Mapping[str, Any]], Settings],
    *,
    new: bool = False,
    yes_really: bool = False,
    asks: bool = False,
    keyless: bool = False,
    digests: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Job]:
    """Makes a new run of a plan's rows, or opens the one that was left unfinished.

    Args:
        folder: the plan.
        settings_with: makes settings out of those that the plan has kept; what is said now goes before them.
        new: start a new run, even if the same is unfinished.
        yes_really: send all rows even if they are many more than usual, or more than `max_rows`.
        asks: whether a person is shown the notices before it is executed.
        keyless: ask for no API key; such a job is not to be executed.
        digests: of the inputs, where they are named once more.
        environ: where the API key is looked up; None for the process's own environment.
        clock: where time comes from.

    Raises:
        UsageError: the plan was altered, is too old, or is of another input, target or API; or nobody is asked about
            many more rows than usual.
        RunLocked: another process holds the unfinished run, or is working on this target.
    """
    clock = clock or SystemClock()
    with ExitStack() as stack:
        plan = open_earlier(stack, folder, settings_with)
        meta, settings, target, base_url = plan.meta, plan.settings, plan.target, plan.base_url
        _refuse_altered(folder, plan)
        _refuse_old(folder, meta, settings, clock)
        _refuse_foreign(meta, plan, digests, environ)
        plan.keep_the_package("This plan was made", f"{NEW_PLAN[0].lower()}{NEW_PLAN[1:]}")
        plan.keep_the_proxy()
        credentials = (only_secrets if keyless else credentials_of)(target, settings, environ, clock)
        facts = {
            **{
                name: meta[name]
                for name in (
                    "input",
                    "target",
                    "columns",
                    "width",
                    "rows",
                    "to_send",
                    "cleared",
                    "package",
                    "sample",
                    "sheet",
                    OPTIONS,
                )
                if name in meta
            },
            "same": {**meta["same"], "plan": meta["plan"]["digest"]},
            "settings": settings.kept(),
            "proxy": place_of(settings.proxy) or meta.get("proxy"),
            "plan_of": folder.run_id,
            **new_run(rate_of(target, settings)),
        }
        begun = begin(stack, facts, settings, target, clock.now(), new=new, asks=asks or keyless)
        if not keyless:
            hold_target(stack, settings, target, base_url)
        unusual: list[str] = []
        if not begun.resumed:
            begun.journal.take_over_plan(folder.journal, _already_so(meta))
            begun.journal.seal({**facts, **begun.folder.facts()})
            size = size_of(begun.journal)
            unusual = check_size(
                begun.journal, settings, size=size, asks=asks, only_look=keyless, yes_really=yes_really
            )
        checkup = checkup_of(meta)
        checkup.notices += begun.notices
        yield Job(
            begun.folder,
            begun.journal,
            target,
            settings,
            base_url,
            credentials,
            clock,
            checkup,
            resumed=begun.resumed,
            unusual=unusual,
        )


def _already_so(meta: Mapping[str, Any]) -> str:
    """What is said of rows that were so already in a plan, until somebody has looked at them again."""
    made = datetime.fromtimestamp(meta["plan"]["made_at"], UTC)
    return f"already so in the plan of {made:%Y-%m-%d %H:%M} UTC; not looked at again"


def _refuse_altered(folder: PlanFolder, plan: Earlier) -> None:
    """Refuses a plan that is not as it was written: its journal, or the file that people approve."""
    said = plan.meta.get("plan")
    if said is None:
        raise folder.never_ready()
    written = folder.path / JSON
    try:
        approved = file_digest(written)
    except OSError:
        approved = ""
    if approved != said["files"][JSON]:
        what = "was altered" if approved else "can't be read"
        message = f"The file {written} {what} since the plan was made. Only the plan as it was made can be run."
        raise ConfigError(message, f"To change something, edit the input. {NEW_PLAN}")
    digest = PlanDigest()
    for _ in digest.of(plan.journal.plan_lines()):
        pass
    if str(digest) != said["digest"]:
        raise ConfigError(f"The plan {folder.run_id} was altered since it was made.", NEW_PLAN)


def _refuse_old(folder: PlanFolder, meta: Mapping[str, Any], settings: Settings, clock: Clock) -> None:
    age_h = (clock.unix() - meta["plan"]["made_at"]) / 3600
    if age_h > settings.plan_max_age:
        raise ConfigError(
            f"The plan {folder.run_id} was made {age_h:,.0f} hours ago, and --plan-max-age allows "
            f"{settings.plan_max_age:g}: by now the records may be others.",
            f"{NEW_PLAN}; or allow more hours with --plan-max-age.",
        )


def _refuse_foreign(
    meta: Mapping[str, Any], plan: Earlier, digests: tuple[str, ...], environ: Mapping[str, str] | None
) -> None:
    if changed := changed_since(meta["input"]):
        have = "have" if len(changed) > 1 else "has"
        raise ConfigError(f"{listed(changed)} {have} changed since the plan was made.", NEW_PLAN)
    files = meta["input"].get("files") or [meta["input"]]
    if digests and list(digests) != [file["sha256"] for file in files]:
        raise ConfigError("This plan was made of another file than the one that is named.", NEW_PLAN)
    refuse_other_api("plan", meta["same"]["base_url"], plan.base_url, ", or make a new plan")
    settings = plan.settings.model_copy(update={"target": plan.settings.target or meta["plan"]["target"]})
    try:
        now = target_of(settings, environ)
    except BatchUpdateError as error:
        raise ConfigError(f"The target of this plan can't be found: {error.message}", error.hint) from error
    declared = json.loads(json.dumps(now.model_dump(mode="json", exclude_unset=True)))
    if declared != meta["target"]:
        other = f"is for the target {meta['target']['name']}, and {now.name} is named"
        message = "was made with another declaration of its target, which has changed since"
        raise ConfigError(f"This plan {message if now.name == meta['target']['name'] else other}.", NEW_PLAN)
