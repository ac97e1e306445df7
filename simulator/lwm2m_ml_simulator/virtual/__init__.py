"""Virtual time: an event loop whose clock jumps, and datagrams that never leave the process."""
