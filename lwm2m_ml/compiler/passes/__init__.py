"""Passes: each a frozen dataclass with a `name` and `apply`, one per file; its fields are its options."""
