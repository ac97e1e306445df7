"""Cascades: a small model that always runs lets a larger one run when it is worth it, on the device or behind it."""
