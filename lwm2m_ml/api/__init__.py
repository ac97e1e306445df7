"""The operator's REST API."""
