"""A change and the record as it is now: what the change would do to it, and whether it may be sent."""
