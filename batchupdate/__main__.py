"""The console command; `python -m batchupdate` is the same.

Loading the command line takes a tenth of a second, in which Ctrl-C would show where Python has come to.
"""

from batchupdate.util import early_interrupt


def main() -> None:
    """Runs the command line; Ctrl-C while it is being loaded, or while Python cleans up, shows no traceback."""
    early_interrupt.install()
    from batchupdate.cli import main as command  # noqa: PLC0415 - see above

    try:
        command()
    finally:
        early_interrupt.ignore()


if __name__ == "__main__":
    main()
