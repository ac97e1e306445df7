"""The power-cut sweep: a cut at every flash operation and before every message of an update."""
