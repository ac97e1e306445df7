"""The routes of the operator's API, one module per noun."""
