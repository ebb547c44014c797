"""Settings, where they come from, and secrets."""

from batchupdate.config.api_key import MissingKey, key_source
from batchupdate.config.loading import load_settings
from batchupdate.config.rate import Rate
from batchupdate.config.secrets import Secrets
from batchupdate.config.settings import Column, Computed, Input, MaxFailures, Settings

__all__ = [
    "Column",
    "Computed",
    "Input",
    "MaxFailures",
    "MissingKey",
    "Rate",
    "Secrets",
    "Settings",
    "key_source",
    "load_settings",
]
