"""The hosts that are this machine: nobody on the way can read what is sent there without encryption."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
