"""One round of federated learning, without input or output: who was asked, what each answered, what comes of it."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lwm2m_ml.learning.aggregation import Aggregator
from lwm2m_ml.learning.errors import InvalidUpdate, UpdateRejected
from lwm2m_ml.learning.update import Update
from lwm2m_ml.learning.vectors import norm

TOKEN_BYTES = 16
ROUNDING = 1.02
"""An update may be so much longer than the clipping norm: eight bits round."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An update that counts."""

    examples: int
    loss: float
    norm: float


@dataclass(slots=True)
class Round:
    """Takes updates of a model with so many `parameters` from devices that were asked.

    `modules` has the digest of the module that each device runs. `clip` is the longest update that is taken.
    """

    parameters: int
    clip: float
    aggregator: Aggregator
    modules: Mapping[str, bytes]
    tokens: dict[str, bytes] = field(default_factory=dict)
    accepted: dict[str, Accepted] = field(default_factory=dict)

    def ask(self, endpoint: str) -> bytes:
        """The token for a device that is asked now; another one each time, so only the newest counts."""
        self.tokens[endpoint] = secrets.token_bytes(TOKEN_BYTES)
        return self.tokens[endpoint]

    def offer(self, endpoint: str, content: bytes) -> Accepted:
        """Take an update in; raises InvalidUpdate or UpdateRejected, and then nothing has changed."""
        expected = self.tokens.get(endpoint)
        if expected is None:
            raise UpdateRejected(f"{endpoint} was not asked in this round")
        update = Update.decode(content, self.parameters)
        if endpoint in self.accepted:
            raise UpdateRejected(f"{endpoint} has given its update of this round already: this one is a repetition")
        if not secrets.compare_digest(update.token, expected):
            raise UpdateRejected("The update has the token of another round or of another device")
        if update.module_digest != self.modules.get(endpoint):
            raise UpdateRejected("The update was made by another module than the device is known to run")
        length = norm(update.delta)
        if length > self.clip * ROUNDING:
            raise UpdateRejected(f"The update has the length {length:.4g}, at most {self.clip:g} is allowed")
        self.aggregator.add(update.delta, update.examples)
        self.accepted[endpoint] = Accepted(update.examples, update.loss, length)
        return self.accepted[endpoint]

    @property
    def missing(self) -> tuple[str, ...]:
        """Who was asked and has not answered."""
        return tuple(endpoint for endpoint in self.tokens if endpoint not in self.accepted)

    @property
    def loss(self) -> float | None:
        """The mean loss over all examples that were told; None when none were."""
        return _weighted(self.accepted.values())

    @property
    def examples(self) -> int:
        """How many examples the updates are from, as far as devices tell."""
        return sum(one.examples for one in self.accepted.values())


def _weighted(answers: Iterable[Accepted]) -> float | None:
    pairs = [(one.examples, one.loss) for one in answers if one.examples]
    total = sum(examples for examples, _ in pairs)
    return sum(examples * loss for examples, loss in pairs) / total if total else None


__all__ = ["ROUNDING", "TOKEN_BYTES", "Accepted", "InvalidUpdate", "Round", "UpdateRejected"]
