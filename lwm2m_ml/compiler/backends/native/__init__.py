"""The native backend: specialised C and assembly, compiled to position-independent machine code."""
