"""How modules come into a device: received, verified, unpacked, put on trial, confirmed or taken back."""
