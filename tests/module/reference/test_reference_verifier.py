"""The C verifier on emulated cores says, of every good and every bad package, what the Python one says."""

import dataclasses
import pathlib
import struct
from collections.abc import Callable
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lwm2m_ml.compiler.emulator import Machine, ModuleRunner, Region
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import compile_blob
from lwm2m_ml.module import cbor, cose, envelope
from lwm2m_ml.module.descriptor import Descriptor, TensorDescriptor
from lwm2m_ml.module.encryption import SharedKey
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.include import HEADER
from lwm2m_ml.module.learning import LearningDescriptor
from lwm2m_ml.module.manifest import PayloadEncoding
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.signing import Algorithm, SigningKey
from lwm2m_ml.module.streaming import StreamingVerifier

Build = Callable[..., bytes]
TARGETS = ("cortex-m0plus", "cortex-m4f", "rv32imc")
CODE_LIMIT, STACK_LIMIT = 12 * 1024, 1024
_FACTS = struct.Struct("<12I16s16s64s96s32s")
_REQUEST = struct.Struct("<3Ii8s64s64s")
_ANSWER = struct.Struct("<9Ii")
_SHA_256_STATE_BYTES = 10 * 4 + 64
_MODULE_ARENA_BYTES = 32
_REQUEST_AT = _FACTS.size
_ANSWER_AT = _REQUEST_AT + _REQUEST.size
PACKAGE_AT = _ANSWER_AT + _ANSWER.size + _SHA_256_STATE_BYTES + _MODULE_ARENA_BYTES
ARENA_BYTES = PACKAGE_AT + 8192


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the verifier returned, and what it found."""

    result: ModuleResult
    image: bytes = b""
    descriptor: bytes = b""
    memory: tuple[int, int] = (0, 0)
    sequence_number: int = 0


class CVerifier:
    """The verifier in a core. The host does the arithmetic of signatures when it is asked to."""

    def __init__(self, target: str) -> None:
        folder = HEADER.parent
        names = ("lwm2m_ml_module.h", "lwm2m_ml_verifier.h", "lwm2m_ml_verifier.c")
        sources = {name: (folder / name).read_text() for name in names}
        sources["harness.c"] = (pathlib.Path(__file__).parent / "harness.c").read_text()
        self.blob = compile_blob(sources, load_target(target), optimize="size")
        self._runner = ModuleRunner(
            self.blob.code, load_target(target), arena_bytes=ARENA_BYTES, stack_bytes=STACK_LIMIT
        )

    def verify(self, package: bytes, recipient: Recipient) -> Outcome:
        """Verify as a device would: the first run asks about the signature, the second has the answer."""
        request, outcome = self._run(package, recipient, answer=0)
        asked, has_key_id, size, algorithm, key_id, message, signature = request
        if not asked:
            return outcome
        assert outcome.result is ModuleResult.SIGNATURE_INVALID
        trusted = cose.trust(recipient.trust_anchors)
        candidates = [key for thumbprint, key in trusted.items() if not has_key_id or thumbprint.startswith(key_id)]
        good = any(key.algorithm == algorithm and key.verify(signature, message[:size]) for key in candidates)
        return self._run(package, recipient, answer=1)[1] if good else outcome

    def _run(self, package: bytes, recipient: Recipient, answer: int) -> tuple[tuple[Any, ...], Outcome]:
        inputs = [(0, _facts(package, recipient, answer)), (PACKAGE_AT, package)]
        outputs = [(_REQUEST_AT, _REQUEST.size), (_ANSWER_AT, _ANSWER.size)]
        request, answer_bytes = self._runner.invoke(inputs, outputs).outputs
        result, image_at, image_size, arena, stack, about_at, about_size, low, high, _ = _ANSWER.unpack(answer_bytes)
        if result != ModuleResult.SUCCESS:
            return _REQUEST.unpack(request), Outcome(ModuleResult(result))
        memory = self._runner.read_arena()
        image, about = memory[image_at : image_at + image_size], memory[about_at : about_at + about_size]
        outcome = Outcome(ModuleResult(result), image, about, (arena, stack), high << 32 | low)
        return _REQUEST.unpack(request), outcome


def _facts(package: bytes, recipient: Recipient, answer: int) -> bytes:
    component = cbor.encode(list(recipient.component)) if recipient.component is not None else b""
    major, minor, _ = (int(part) for part in recipient.abi.split("."))
    isa = "".join(f"{feature} " for feature in recipient.isa or ())
    (operator_set,) = recipient.operator_sets
    return _FACTS.pack(
        *(len(package), len(component), recipient.isa is not None, answer),
        *(recipient.sequence_floor & 0xFFFFFFFF, recipient.sequence_floor >> 32),
        *(recipient.storage_bytes, recipient.working_memory_bytes, major, minor),
        *(sum(1 << number for number in recipient.formats), 0),
        *(recipient.vendor_id, recipient.class_id, component, isa.encode(), operator_set.encode()),
    )


def python_result(package: bytes, recipient: Recipient) -> ModuleResult:
    verifier = StreamingVerifier(recipient)
    try:
        verifier.feed(package)
        verifier.finish()
    except ModuleRejected as rejection:
        return rejection.result
    return ModuleResult.SUCCESS


@pytest.fixture(scope="module", params=TARGETS)
def verifier(request: pytest.FixtureRequest) -> CVerifier:
    return CVerifier(request.param)


@pytest.mark.parametrize("algorithm", list(Algorithm))
def test_a_good_package_is_accepted_and_its_parts_are_found(
    verifier: CVerifier,
    build: Build,
    recipient: Recipient,
    payload: bytes,
    descriptor: Descriptor,
    algorithm: Algorithm,
) -> None:
    key = SigningKey.generate(algorithm)
    device = dataclasses.replace(recipient, trust_anchors=(key.verification_key,))
    package = build(key=key, sequence_number=(1 << 40) + 5, provenance=b"digests", block_bytes=512)
    outcome = verifier.verify(package, device)
    expected = Outcome(ModuleResult.SUCCESS, payload, descriptor.encode(), (1024, 256), (1 << 40) + 5)
    assert outcome == expected


def _learning(descriptor: Descriptor) -> Descriptor:
    control = TensorDescriptor("learning.control", (6,), "float32", 1.0, 0, 1000)
    learning = LearningDescriptor(layers=1, offset=128, parameters=50, state_bytes=600, instructions=99)
    return dataclasses.replace(
        descriptor, inputs=(*descriptor.inputs, control), vectors=(), learning=learning, arena_bytes=1024
    )


class _OfVersionOne(Descriptor):
    """A descriptor that says more than its version allows."""

    def encode(self) -> bytes:
        return cbor.encode(cbor2.loads(Descriptor.encode(self)) | {0: 1})


def test_a_module_that_learns_is_accepted_when_its_version_says_so(
    verifier: CVerifier, build: Build, recipient: Recipient, descriptor: Descriptor
) -> None:
    learns = _learning(descriptor)
    package = build(about=learns)
    outcome = verifier.verify(package, recipient)
    assert (outcome.result, outcome.descriptor) == (ModuleResult.SUCCESS, learns.encode())
    assert python_result(package, recipient) is ModuleResult.SUCCESS
    fields = {field.name: getattr(learns, field.name) for field in dataclasses.fields(learns)}
    hides = build(about=_OfVersionOne(**fields))
    assert verifier.verify(hides, recipient).result is python_result(hides, recipient) is ModuleResult.DECODING_FAILED


def test_the_verifier_is_small(verifier: CVerifier) -> None:
    own = [symbol for name, symbol in verifier.blob.symbols.items() if symbol.is_function]
    assert sum(symbol.size for symbol in own) <= CODE_LIMIT
    assert len(verifier.blob.code) <= CODE_LIMIT  # with the harness and its SHA-256


@pytest.mark.parametrize(
    ("built", "device"),
    [
        ({"key": SigningKey.generate()}, {}),
        ({}, {"trust_anchors": ()}),
        ({"vendor_id": bytes(16)}, {}),
        ({"class_id": bytes(16)}, {}),
        ({"component": (b"firmware",)}, {}),
        ({"component": (b"firmware",)}, {"component": None}),
        ({"sequence_number": 6}, {}),
        ({}, {"sequence_floor": (1 << 33) + 1}),
        ({}, {"storage_bytes": 2999}),
        ({}, {"storage_bytes": 3000}),
        ({}, {"working_memory_bytes": 1279}),
        ({}, {"working_memory_bytes": 1280}),
        ({}, {"operator_sets": ("tflite-3",)}),
        ({}, {"abi": "2.0.0"}),
        ({}, {"abi": "1.4.0"}),
        ({}, {"formats": (0,)}),
        ({}, {"isa": ("armv6-m",)}),
        ({}, {"isa": ("armv7e-m", "dsp", "fpv4-sp-d16x")}),
        ({}, {"isa": None}),
        ({"encodings": (PayloadEncoding.ZSTD,)}, {}),
        ({"encodings": (PayloadEncoding.HEATSHRINK,)}, {}),
        ({"recipients": [SharedKey(bytes(16))]}, {}),
    ],
)
def test_both_verifiers_give_the_same_result(
    verifier: CVerifier, build: Build, recipient: Recipient, built: dict[str, Any], device: dict[str, Any]
) -> None:
    package, changed = build(**built), dataclasses.replace(recipient, **device)
    assert verifier.verify(package, changed).result is python_result(package, changed)


def test_every_changed_byte_before_the_payload_is_refused_alike(
    verifier: CVerifier, build: Build, recipient: Recipient, payload: bytes
) -> None:
    package = build(block_bytes=1024)
    for position in [*range(len(package) - len(payload)), len(package) - len(payload) + 5, len(package) - 1]:
        changed = bytearray(package)
        changed[position] ^= 1 << (position % 8)
        result = verifier.verify(bytes(changed), recipient).result
        assert result is python_result(bytes(changed), recipient), position
        assert result in (ModuleResult.SIGNATURE_INVALID, ModuleResult.DIGEST_MISMATCH)


def test_every_truncation_is_refused_alike(verifier: CVerifier, build: Build, recipient: Recipient) -> None:
    package = build()
    for length in [*range(0, 360, 3), *range(360, len(package), 211), len(package) - 1]:
        assert verifier.verify(package[:length], recipient).result is python_result(package[:length], recipient)
    assert verifier.verify(package + b"\x00", recipient).result is ModuleResult.DIGEST_MISMATCH


def test_parts_of_two_packages_and_missing_parts_are_refused_alike(
    verifier: CVerifier, build: Build, recipient: Recipient, payload: bytes
) -> None:
    one, two = (cbor2.loads(build(image=image, block_bytes=512)).value for image in (payload, payload[::-1]))
    for label in one:
        for elements in (one | {label: two[label]}, {key: part for key, part in one.items() if key != label}):
            package = envelope.ENVELOPE_TAG + cbor.encode(elements)
            assert verifier.verify(package, recipient).result is python_result(package, recipient), label


def test_authentic_manifests_of_another_form_are_refused_alike(
    verifier: CVerifier, build: Build, recipient: Recipient, key: SigningKey
) -> None:
    """A careless author signs a damaged manifest."""
    elements = cbor2.loads(build(block_bytes=512)).value
    for position in range(len(elements[3])):
        manifest = bytearray(elements[3])
        manifest[position] ^= 1 << (position % 7)
        signed = {3: bytes(manifest), 2: envelope.authenticate(bytes(manifest), key)}
        package = envelope.ENVELOPE_TAG + cbor.encode(elements | signed)
        assert verifier.verify(package, recipient).result is python_result(package, recipient), position


@pytest.mark.parametrize("payload_bytes", [1, 20, 2999, 3000, 3001, 1 << 32])
@pytest.mark.parametrize(
    "form", [{1: 0}, {1: 0, 3: 1}, {1: 1, 3: 12}, {1: 2, 3: 8, 4: 4}, {1: 3, 5: bytes(32)}, {1: 4}]
)
def test_authentic_payload_forms_are_judged_alike(
    verifier: CVerifier,
    build: Build,
    recipient: Recipient,
    key: SigningKey,
    payload_bytes: int,
    form: dict[int, object],
) -> None:
    elements = cbor2.loads(build()).value
    manifest = cbor2.loads(elements[3])
    install = cbor2.loads(manifest[20])
    for parameters in ({-257: cbor.encode(form | {2: payload_bytes})}, {19: b"", -257: cbor.encode(form)}):
        changed = cbor.encode(manifest | {20: cbor.encode([20, install[1] | parameters, *install[2:]])})
        signed = {3: changed, 2: envelope.authenticate(changed, key)}
        package = envelope.ENVELOPE_TAG + cbor.encode(elements | signed)
        assert verifier.verify(package, recipient).result is python_result(package, recipient)


@settings(max_examples=60)
@given(data=st.data())
def test_mutated_packages_are_refused_alike(
    verifier: CVerifier, build: Build, recipient: Recipient, key: SigningKey, data: st.DataObject
) -> None:
    elements = cbor2.loads(build()).value
    manifest = bytearray(elements[3])
    start = data.draw(st.integers(0, len(manifest)))
    manifest[start : start + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    signed = {3: bytes(manifest), 2: envelope.authenticate(bytes(manifest), key)}
    package = envelope.ENVELOPE_TAG + cbor.encode(elements | signed)
    assert verifier.verify(package, recipient).result is python_result(package, recipient)


@pytest.mark.parametrize("target", TARGETS)
def test_the_loader_runs_an_image_at_an_aligned_address_and_nowhere_else(target: str) -> None:
    doubler = "#include <stdint.h>\nint32_t module_invoke(int32_t *arena) { arena[1] = 2 * arena[0]; return 0; }\n"
    code = CVerifier(target).blob.code
    image = compile_blob({"doubler.c": doubler}, load_target(target)).code
    regions = (
        Region("verifier", 0x0800_0000, 0x8000, executable=True),
        Region("image", 0x0900_0000, 0x1000, executable=True),
        Region("data", 0x2000_0000, 0x4000),
        Region("stack", 0x3000_0000, 0x1000),
    )
    machine = Machine(load_target(target), regions=regions)
    machine.write(0x0800_0000, code)
    machine.write(0x0900_0000, image)
    arena_at = 0x2000_0000 + PACKAGE_AT - _MODULE_ARENA_BYTES
    base = 0x2000_0000 + (-arena_at % 16)
    arena_at = base + PACKAGE_AT - _MODULE_ARENA_BYTES
    for address, returned, answer in ((0x0900_0000, 0, 42), (0x0900_0004, -1, 0)):
        machine.write(base, bytes(_REQUEST_AT + _REQUEST.size + _ANSWER.size))
        machine.write(base + 11 * 4, address.to_bytes(4, "little"))
        machine.write(arena_at, struct.pack("<2i", 21, 0))
        machine.call(0x0800_0000, base, stack_top=0x3000_1000, instruction_limit=10_000)
        (result,) = struct.unpack("<i", machine.read(base + _ANSWER_AT + _ANSWER.size - 4, 4))
        assert result == returned
        assert struct.unpack("<2i", machine.read(arena_at, 8)) == (21, answer)
