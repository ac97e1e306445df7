"""The LwM2M client: registration, bootstrap, operations on objects, observations, security."""
