"""Post-training quantisation: from a float graph and samples of its input to an int8 graph."""
