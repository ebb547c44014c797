"""The checks that rows pass through, one in each file; `validator.py` says in which order."""
