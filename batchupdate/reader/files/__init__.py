"""From what a user names to the bytes of one file: patterns, URLs, archives, and what kind of file it is."""
