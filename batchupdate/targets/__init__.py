"""Targets: which APIs can be updated, and what each of them needs."""

from batchupdate.config.json_path import UnexpectedReplyError
from batchupdate.targets.auth import Auth, AuthStrategy
from batchupdate.targets.batch import Batch
from batchupdate.targets.catalogue import builtin_names, find_target, gallery_names
from batchupdate.targets.fields import FieldRule
from batchupdate.targets.ids import IdRule
from batchupdate.targets.listing import Listing, Record
from batchupdate.targets.pagination import Pagination
from batchupdate.targets.replies import StatusRule
from batchupdate.targets.row_rules import AnyOf
from batchupdate.targets.target import Target
from batchupdate.targets.throttling import LimitHeaders, Limits, ThrottleRule, TimeUnit, WaitHeader

__all__ = [
    "AnyOf",
    "Auth",
    "AuthStrategy",
    "Batch",
    "FieldRule",
    "IdRule",
    "LimitHeaders",
    "Limits",
    "Listing",
    "Pagination",
    "Record",
    "StatusRule",
    "Target",
    "ThrottleRule",
    "TimeUnit",
    "UnexpectedReplyError",
    "WaitHeader",
    "builtin_names",
    "find_target",
    "gallery_names",
]
