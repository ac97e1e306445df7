"""The demonstration: a server, a simulated fleet, and one model carried through the whole service."""
