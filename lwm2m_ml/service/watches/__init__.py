"""Observations that last as long as somebody watches, whichever node serves the device."""
