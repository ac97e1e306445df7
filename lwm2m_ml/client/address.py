"""Where the operator's API is found."""

API_ROOT = "/api/v1"
DEFAULT_SERVER = "http://127.0.0.1:8080"
