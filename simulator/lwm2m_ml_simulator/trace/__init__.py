"""Traces: what passed through the radios of devices, in files that other tools read too."""
