"""Simulated microcontrollers that speak LwM2M and execute the machine code they are sent."""
