"""Receives a package piece by piece: verified as it arrives, and no byte of it in flash before its manifest is good."""

from collections.abc import Callable

from lwm2m_ml.module.envelope import EnvelopeReader, PayloadBegins
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.streaming import StreamingVerifier, VerifiedModule
from lwm2m_ml_simulator.modules.decoders import DecoderLimits, needs_staging
from lwm2m_ml_simulator.modules.slots import StagedModule
from lwm2m_ml_simulator.modules.staging import Source, Staging
from lwm2m_ml_simulator.modules.unpacking import IMAGE_ALIGNMENT, unpack

LARGEST_HEAD_BYTES = 4096


class Reception:
    """The package of one slot while it arrives; after a reboot what is in flash is verified again from the start."""

    def __init__(
        self,
        staging: Staging,
        make_verifier: Callable[[], StreamingVerifier],
        limits: DecoderLimits = DecoderLimits(),  # noqa: B008 - frozen
        *,
        head_bytes: int = LARGEST_HEAD_BYTES,
    ) -> None:
        """`head_bytes` of RAM hold what of a package comes before its image."""
        self._head_bytes = head_bytes
        self.staging = staging
        self._make_verifier = make_verifier
        self._limits = limits
        self._head = bytearray()
        self._layout = EnvelopeReader()
        self._verifier: StreamingVerifier | None = None

    @property
    def received(self) -> int:
        """How many bytes of the package are here."""
        return len(self._head) or self.staging.received

    def begin(self, source: Source) -> None:
        """Start anew with another package."""
        self.staging.begin(source)
        self._head.clear()
        self._layout = EnvelopeReader()
        self._verifier = self._make_verifier()

    def append(self, data: bytes) -> None:
        """Take the next bytes; raises ModuleRejected when they cannot be good, StorageFull when there are too many."""
        verifier = self._verified()
        verifier.feed(data)
        if self.staging.received:
            self.staging.append(data)
            return
        self._head += data
        payload = next((event for event in self._layout.feed(data) if isinstance(event, PayloadBegins)), None)
        if payload is not None:
            self._place(payload, verifier)
            self.staging.append(bytes(self._head))
            self._head.clear()
        elif len(self._head) > self._head_bytes:
            raise ModuleRejected(
                ModuleResult.WORKING_MEMORY_TOO_SMALL, "The head of the package is larger than the buffer for it"
            )

    def finish(self) -> VerifiedModule:
        """Say that all of it is here; raises ModuleRejected unless it is good."""
        verifier = self._verified()
        verifier.finish()
        self.staging.finish()
        return verifier.verified

    def staged(self) -> StagedModule:
        """Return where the module lies that `finish` found good, unpacked into the slot where it has to be."""
        verified, source = self._verified().verified, self.staging.source
        if source is not None and source.apart:
            return unpack(self.staging.contents(), verified.payload_offset, self._make_verifier(), self.staging.region)
        start = source.start if source is not None else 0
        return StagedModule(
            start,
            self.staging.received,
            start + verified.payload_offset,
            verified.payload_size,
            verified.sequence_number,
            verified.digest,
        )

    def _place(self, payload: PayloadBegins, verifier: StreamingVerifier) -> None:
        """Choose where in flash the package begins, now that its manifest is known."""
        if verifier.manifest is not None and needs_staging(verifier.manifest):
            self._limits.check(verifier.manifest)
            self.staging.place_apart()
        else:
            # Where the image begins in the package decides where the package begins in flash.
            self.staging.place(-payload.offset % IMAGE_ALIGNMENT)

    def _verified(self) -> StreamingVerifier:
        """The verifier, fed with what was in flash before a reboot."""
        if self._verifier is None:
            self._verifier = self._make_verifier()
            self._verifier.feed(self.staging.contents())
        return self._verifier
