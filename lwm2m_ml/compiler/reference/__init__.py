"""Numpy kernels that define what each operation computes, in float32 and in int8, many samples at once.

Every array has one axis more than the tensor it stands for: axis 0 counts the samples; constants have length one there.
"""
