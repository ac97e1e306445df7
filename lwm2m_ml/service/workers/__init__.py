"""Worker processes: the compiler and everything heavy runs in them, never in the server's event loop."""
