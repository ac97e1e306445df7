"""The Python client of the operator's API, and the JSON schemas it shares with the server."""
