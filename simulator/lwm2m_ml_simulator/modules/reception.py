"""Receives a package piece by piece: verified as it arrives, and no byte of it in flash before its manifest is good."""

from collections.abc import Callable

from lwm2m_ml.module.envelope import EnvelopeReader, PayloadBegins
from lwm2m_ml.module.errors import DamagedBlock, ModuleRejected
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.streaming import StreamingVerifier, VerifiedModule
from lwm2m_ml_simulator.modules.decoders import DecoderLimits, needs_staging
from lwm2m_ml_simulator.modules.slots import StagedModule
from lwm2m_ml_simulator.modules.staging import Source, Staging
from lwm2m_ml_simulator.modules.unpacking import IMAGE_ALIGNMENT, unpack

LARGEST_HEAD_BYTES = 4096
MAXIMUM_REPETITIONS = 3
"""Bad blocks of one package that are asked for again."""


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
        self._unchecked = bytearray()
        """Of a block whose hash cannot be checked yet: in the buffer that held the head, and never in flash."""
        self._repetitions = 0
        self._layout = EnvelopeReader()
        self._verifier: StreamingVerifier | None = None

    @property
    def received(self) -> int:
        """How many bytes of the package are here."""
        return len(self._head) or self.staging.received + len(self._unchecked)

    def begin(self, source: Source) -> None:
        """Start anew with another package."""
        self.staging.begin(source)
        self._head.clear()
        self._unchecked.clear()
        self._repetitions = 0
        self._layout = EnvelopeReader()
        self._verifier = self._make_verifier()

    def append(self, data: bytes) -> None:
        """Take the next bytes; raises ModuleRejected when they cannot be good, StorageFull when there are too many.

        A block that is not what its hash says is dropped, and `received` falls back to where it began: whoever fetches
        asks for it again. One that is bad time and again is refused.
        """
        verifier = self._verified()
        try:
            verifier.feed(data)
        except DamagedBlock:
            self._drop_block()
            return
        if self.staging.received:
            self._unchecked += data
            self._keep_checked(verifier)
            return
        self._head += data
        payload = next((event for event in self._layout.feed(data) if isinstance(event, PayloadBegins)), None)
        if payload is not None:
            self._place(payload, verifier)
            self._unchecked += self._head
            self._head.clear()
            self._keep_checked(verifier)
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

    def _keep_checked(self, verifier: StreamingVerifier) -> None:
        """Put into flash all but the block whose end is still missing."""
        checked = len(self._unchecked) - verifier.unchecked_bytes
        if checked > 0:
            self.staging.append(bytes(self._unchecked[:checked]))
            del self._unchecked[:checked]

    def _drop_block(self) -> None:
        """Go back to the last good block; raises DamagedBlock when that has not helped before."""
        self._repetitions += 1
        if self._repetitions > MAXIMUM_REPETITIONS:
            raise DamagedBlock(ModuleResult.DIGEST_MISMATCH, "Blocks of the payload are bad each time they are fetched")
        self._head.clear()
        self._unchecked.clear()
        self._layout = EnvelopeReader()
        self._verifier = None

    def _verified(self) -> StreamingVerifier:
        """The verifier, fed with what was in flash before a reboot."""
        if self._verifier is None:
            self._verifier = self._make_verifier()
            self._verifier.feed(self.staging.contents())
        return self._verifier
