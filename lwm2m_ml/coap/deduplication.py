"""Messages already seen from one peer, with the answers they got: a bounded ring without timers (RFC 7252 §4.5)."""

NO_ANSWER_YET = b""


class AnswerRing:
    """The last few messages of a peer by digest; `capacity` bounds it, `lifetime` tells when a message id is new again.

    The key is the hash of the whole datagram, not the message id alone: a duplicate is the same bytes, and a device
    that starts over with its first message id after a reboot is heard. Datagrams themselves need not be held.
    """

    __slots__ = ("_answers", "_capacity", "_lifetime")

    def __init__(self, capacity: int, lifetime: float) -> None:
        self._answers: dict[int, tuple[float, bytes]] = {}
        self._capacity = capacity
        self._lifetime = lifetime

    def seen(self, key: int, now: float) -> bytes | None:
        """None for a new message, else what it was answered (empty while it is being worked on)."""
        found = self._answers.get(key)
        if found is None or found[0] < now:
            return None
        return found[1]

    def remember(self, key: int, answer: bytes, now: float) -> None:
        """Keep the answer to a message; the oldest is forgotten when the ring is full."""
        answers = self._answers
        if len(answers) >= self._capacity and key not in answers:
            del answers[next(iter(answers))]
        answers[key] = (now + self._lifetime, answer)

    def forget(self, key: int) -> None:
        """Hear this message as a new one when it comes again."""
        self._answers.pop(key, None)

    def expire(self, now: float) -> None:
        """Forget all when all is too old to count. A table that was emptied would keep its size: it is replaced."""
        if self._answers and all(expires < now for expires, _ in self._answers.values()):
            self._answers = {}

    def __len__(self) -> int:
        return len(self._answers)
