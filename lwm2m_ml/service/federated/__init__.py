"""Learning on the fleet: rounds in which devices learn from examples that stay on them, run as a kind of campaign."""
