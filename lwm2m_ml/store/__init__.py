"""Durable state: tables, records, migrations, group commit."""
