"""TinyML as a service: device profiles, zoo, fit, builds, delivery, monitoring."""
