"""What a device does with its module: infers, counts, and sends results."""
