"""Kernels, one module per family; each offers KERNELS, its candidates in order of preference."""
