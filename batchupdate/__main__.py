"""The console command; `python -m batchupdate` is the same.

Loading the command line takes a tenth of a second, in which Ctrl-C would show where Python has come to.
"""

import os
import signal
from types import FrameType


def main() -> None:
    """Runs the command line; Ctrl-C while it is being loaded ends in a sentence, too."""
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # and not ignored, as nohup has it
    if heeded:
        signal.signal(signal.SIGINT, _quit)
    from batchupdate.cli import main as command  # noqa: PLC0415 - see above

    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def _quit(_number: int, _frame: FrameType | None) -> None:
    """Ends at once: nothing has begun that would have to be ended well."""
    os.write(2, b"Stopped on request. Nothing was sent.\n")
    os._exit(130)


if __name__ == "__main__":
    main()
