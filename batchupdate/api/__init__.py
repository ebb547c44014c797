"""Talks to an API, and says what its replies mean."""
