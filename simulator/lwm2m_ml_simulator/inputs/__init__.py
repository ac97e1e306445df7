"""What the sensors of simulated devices see."""
