"""Training on the device: the last layers of a quantised model get parameters that change, and a step that does it."""
