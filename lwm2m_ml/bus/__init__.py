"""Events between the parts of the service."""
