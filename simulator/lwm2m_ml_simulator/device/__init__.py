"""A simulated microcontroller: its profile, its firmware, its faults."""
