"""C99 sources for firmware that links the model statically."""
