"""What has nothing to do with updates: asyncio, SQLite, text, time, JSON."""
