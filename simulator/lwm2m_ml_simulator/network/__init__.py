"""What lies between a simulated device and its server."""
