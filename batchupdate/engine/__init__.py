"""Where the workers run: in this process, for now. An engine is given a sealed journal and works it off."""

from batchupdate.engine.local import Stop, work_off

__all__ = ["Stop", "work_off"]
