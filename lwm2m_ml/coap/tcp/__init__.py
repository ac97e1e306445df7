"""CoAP over TCP and TLS (RFC 8323)."""
