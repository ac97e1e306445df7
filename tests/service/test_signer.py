"""The signing key of the service, and packages that a device accepts."""

import hashlib
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.module.descriptor import model_identifier
from lwm2m_ml.module.envelope import element_digest
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.inspection import inspect_package
from lwm2m_ml.module.key_folder import FOLDER, SECRET_FILE, open_key_store
from lwm2m_ml.module.manifest import Label
from lwm2m_ml.module.package import verify_package
from lwm2m_ml.module.provenance import Provenance
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.signing import SigningKey, VerificationKey
from lwm2m_ml.module.trust_list import TrustList
from lwm2m_ml.service.builds import Build
from lwm2m_ml.service.descriptions import vectors_for_devices
from lwm2m_ml.service.profiles import MlRuntime, profile_from_records
from lwm2m_ml.service.signer import TRUST_ANCHOR_FILE, TRUST_ROOT_FILE, Signer
from lwm2m_ml.service.workers.facts import BuildFacts, TensorFacts
from lwm2m_ml.service.zoo.model import Model, Variant
from tests.service.fake_device import capability_records

IMAGE = TensorFacts("image", (1, 4), "int8", 0.1, 0, 0, 4)
SCORES = TensorFacts("scores", (1, 2), "int8", 1 / 256, -128, 16, 2)
FACTS = BuildFacts(
    target="cortex-m4f",
    isa=("armv7e-m", "dsp"),
    backend="native",
    backend_version="1",
    plan_digest=bytes(32),
    format=2,
    abi="1.0.0",
    flash_bytes=100,
    ram_bytes=96,
    arena_bytes=64,
    stack_bytes=32,
    instructions=1000,
    macs=8,
    weight_bytes=8,
    lower_bound_arena_bytes=64,
    max_abs_diff=0,
    exact=True,
    inputs=(IMAGE,),
    outputs=(SCORES,),
    vectors=((b"abcd", b"ef"),),
)
VARIANT = Variant("digits-small", "0" * 64, weights=8, macs=8)
MODEL = Model("digits", "1.0.0", "", "MIT", ("no", "yes"), (VARIANT,))
BUILD = Build("key", MODEL, VARIANT, bytes(range(100)), FACTS)


@pytest.fixture
def runtime(new_device: Callable[..., Any]) -> MlRuntime:
    found = profile_from_records("device", (), capability_records(new_device())).runtime
    assert found is not None
    return found


def verify(package: bytes, key: SigningKey, **changes: Any) -> Any:
    device: dict[str, Any] = {
        "trust_anchors": [key.verification_key],
        "vendor_id": b"v" * 16,
        "class_id": b"c" * 16,
        "sequence_floor": 6,
        "storage_bytes": 10_000,
        "working_memory_bytes": 10_000,
    }
    return verify_package(package, **(device | changes))


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    signer = Signer.open(tmp_path / "data")
    private = [path for path in (tmp_path / "data" / FOLDER).glob("*.pem") if not path.name.endswith(".pub.pem")]
    assert len(private) == 2
    for path in (*private, tmp_path / "data" / SECRET_FILE):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert all(b"ENCRYPTED" in path.read_bytes() for path in private)
    anchor = VerificationKey.load(tmp_path / "data" / TRUST_ANCHOR_FILE)
    assert anchor.key_id == signer.key.key_id


def test_the_first_start_publishes_a_list_that_the_root_signed(tmp_path: Path) -> None:
    signer = Signer.open(tmp_path)
    root = VerificationKey.load(tmp_path / TRUST_ROOT_FILE)
    published = signer.keys.published_trust_list()
    assert published is not None
    trusted = TrustList.verify(published, [root], None).trusted_at(None)
    assert [key.key_id for key in trusted] == [signer.key.key_id]


def test_a_key_that_is_rotated_while_the_service_runs_signs_from_then_on(tmp_path: Path) -> None:
    signer = Signer.open(tmp_path)
    before = signer.key.key_id
    rotated = open_key_store(tmp_path).rotate()
    assert signer.key.key_id.hex() == rotated.key_id != before.hex()


def test_provenance_is_signed_and_severed(tmp_path: Path, runtime: MlRuntime) -> None:
    signed = Signer.open(tmp_path).sign(BUILD, runtime, 7)
    contents = inspect_package(signed.package)
    assert Label.PROVENANCE not in contents.elements
    assert contents.manifest.provenance_digest == element_digest(signed.provenance)
    assert Provenance.decode(signed.provenance).model_digest == bytes(32)


def test_later_starts_use_the_same_key(tmp_path: Path) -> None:
    assert Signer.open(tmp_path).key.key_id == Signer.open(tmp_path).key.key_id


def test_a_device_accepts_the_package_and_finds_the_facts_in_it(tmp_path: Path, runtime: MlRuntime) -> None:
    signer = Signer.open(tmp_path)
    signed = signer.sign(BUILD, runtime, 7)
    verified = verify(signed.package, signer.key)
    assert verified.payload == BUILD.payload
    assert verified.digest == signed.digest == hashlib.sha256(BUILD.payload).digest()
    descriptor = verified.descriptor
    assert (descriptor.model_name, descriptor.variant, descriptor.labels) == ("digits", "digits-small", ("no", "yes"))
    assert descriptor.vectors == ((b"abcd", b"ef"),)
    assert descriptor.model_id == model_identifier("digits")


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"class_id": b"x" * 16}, ModuleResult.WRONG_VENDOR_OR_CLASS),
        ({"sequence_floor": 7}, ModuleResult.SEQUENCE_NUMBER_TOO_LOW),
        ({"trust_anchors": []}, ModuleResult.SIGNATURE_INVALID),
    ],
)
def test_another_device_does_not(tmp_path: Path, runtime: MlRuntime, change: Any, result: ModuleResult) -> None:
    signer = Signer.open(tmp_path)
    with pytest.raises(ModuleRejected) as caught:
        verify(signer.sign(BUILD, runtime, 7).package, signer.key, **change)
    assert caught.value.result is result


def test_fit_reckons_with_the_size_of_the_package_itself(tmp_path: Path, runtime: MlRuntime) -> None:
    signer = Signer.open(tmp_path)
    assert signer.package_bytes(BUILD, runtime, 7) == len(signer.sign(BUILD, runtime, 7).package)


@pytest.mark.parametrize(("input_bytes", "kept"), [(64, 8), (490, 4), (3_072, 1), (27_648, 0)])
def test_a_package_has_as_many_vectors_as_devices_have_room_for(input_bytes: int, kept: int) -> None:
    vectors = tuple((bytes([number]) * input_bytes, b"answer") for number in range(8))
    assert vectors_for_devices(vectors) == vectors[:kept]
