"""Perceptrons as WebAssembly: an example of a backend that does not belong to lwm2m-ml."""
