"""The CPU of a simulated device, and the threads that emulate all of them."""
