"""LiteRT flatbuffers: the writer, one function for each kind of operation, and the backend."""
