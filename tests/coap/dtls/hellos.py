"""ClientHellos as they are on the wire."""


def hello(cookie: bytes = b"", session_id: bytes = b"", *, offset: int = 0, number: int = 0) -> bytes:
    """A ClientHello for PSK with CCM_8, in record `number`."""
    ids = bytes((len(session_id),)) + session_id + bytes((len(cookie),)) + cookie
    body = b"\xfe\xfd" + bytes(range(32)) + ids + b"\x00\x02\xc0\xa8" + b"\x01\x00"
    length = len(body).to_bytes(3)
    message = b"\x01" + length + b"\x00\x00" + offset.to_bytes(3) + length + body
    return b"\x16\xfe\xfd" + number.to_bytes(8) + len(message).to_bytes(2) + message
