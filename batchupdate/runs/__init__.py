"""How a run begins, and how it is found again."""
