"""The LwM2M objects of a simulated device, one file each, and what they are made of."""
