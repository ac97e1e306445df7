"""The Python client of the operator's API."""
