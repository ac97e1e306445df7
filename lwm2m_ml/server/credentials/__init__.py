"""What devices prove themselves with: issued, sealed, looked up in handshakes, rotated and revoked."""
