"""The LwM2M server: registry, device operations, observations, downloads. It knows nothing of ML."""
