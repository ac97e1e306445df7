"""Many nodes as one service: who acts for what, requests to whoever does, and events of all. On NATS JetStream."""
