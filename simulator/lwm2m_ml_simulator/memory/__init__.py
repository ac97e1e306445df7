"""The flash of a simulated device, and the journal on it."""
