"""State in SQLite or PostgreSQL.  Only this package knows SQL."""
