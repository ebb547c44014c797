"""Which column of the input sets which id or field of the target."""
