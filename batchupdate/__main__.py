"""`python -m batchupdate` is the command `batchupdate`."""

from batchupdate.cli import main

if __name__ == "__main__":
    main()
