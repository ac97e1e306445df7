"""Learning on the device: the examples it keeps, the session that runs the module's training step, what comes of it."""
