"""Where the workers run: in this process, for now. An engine is given a sealed journal and works it off."""

from batchupdate.engine.local import Job, Stop, work_off

__all__ = ["Job", "Stop", "work_off"]
