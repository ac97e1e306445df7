"""The inference module format: descriptor, manifest, signature, verification."""
