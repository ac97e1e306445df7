"""Real input data that simulated sensors show to their models."""
