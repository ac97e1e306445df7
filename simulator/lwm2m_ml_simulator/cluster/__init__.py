"""A whole cluster on one machine: its engines and nodes as processes, its devices simulated."""
