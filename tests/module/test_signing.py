"""Keys, their files and their identifiers; RFC 9679 is the oracle for thumbprints."""

import pathlib
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from lwm2m_ml.module.errors import KeyFileError
from lwm2m_ml.module.signing import Algorithm, SigningKey, VerificationKey, read_secret

ALGORITHMS = pytest.mark.parametrize("algorithm", list(Algorithm))
SECRET = b"correct horse"


def test_the_thumbprint_of_the_example_of_rfc_9679_is_right() -> None:
    x = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
    y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
    expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    assert VerificationKey(numbers.public_key()).key_id.hex() == expected


@ALGORITHMS
def test_a_key_verifies_what_it_signed_and_nothing_else(algorithm: Algorithm) -> None:
    key, other = SigningKey.generate(algorithm), SigningKey.generate(algorithm)
    signature = key.sign(b"module")
    assert len(signature) == 64
    assert key.verification_key.verify(signature, b"module")
    assert not key.verification_key.verify(signature, b"modulf")
    assert not key.verification_key.verify(signature[:-1], b"module")
    assert not key.verification_key.verify(bytes(64), b"module")
    assert not other.verification_key.verify(signature, b"module")


@ALGORITHMS
def test_signatures_are_deterministic(algorithm: Algorithm) -> None:
    key = SigningKey.generate(algorithm)
    assert key.sign(b"module") == key.sign(b"module")


@ALGORITHMS
def test_public_keys_survive_pem_and_cose_key(algorithm: Algorithm, tmp_path: pathlib.Path) -> None:
    public = SigningKey.generate(algorithm).verification_key
    (tmp_path / "key.pem").write_bytes(public.to_pem())
    assert VerificationKey.load(tmp_path / "key.pem").key_id == public.key_id
    assert VerificationKey.from_cose_key(public.to_cose_key()).key_id == public.key_id


@ALGORITHMS
def test_private_keys_are_stored_encrypted_and_only_for_their_owner(
    algorithm: Algorithm, tmp_path: pathlib.Path
) -> None:
    key, path = SigningKey.generate(algorithm), tmp_path / "key.pem"
    key.save(path, SECRET)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in path.read_bytes()
    assert SigningKey.load(path, SECRET).key_id == key.key_id
    for wrong in (b"wrong", None, b""):
        with pytest.raises(KeyFileError):
            SigningKey.load(path, wrong)


def test_a_private_key_is_never_written_unencrypted_nor_over_another(tmp_path: pathlib.Path) -> None:
    key, path = SigningKey.generate(), tmp_path / "key.pem"
    with pytest.raises(KeyFileError, match="unencrypted"):
        key.save(path, b"")
    assert not path.exists()
    key.save(path, SECRET)
    with pytest.raises(KeyFileError, match="exists"):
        key.save(path, SECRET)


def test_a_secret_comes_from_a_file(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(SECRET + b"\n")
    assert read_secret(path) == SECRET
    path.write_bytes(b"\n")
    with pytest.raises(KeyFileError, match="no passphrase"):
        read_secret(path)
    with pytest.raises(KeyFileError, match="cannot be read"):
        read_secret(tmp_path / "missing")


def test_the_representation_of_a_private_key_tells_nothing() -> None:
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey(EDDSA, {key.key_id.hex()[:16]}…)"


def test_other_kinds_of_keys_are_refused() -> None:
    others: list[rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
    ]
    for other in others:
        private = other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = other.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        with pytest.raises(KeyFileError, match="neither"):
            SigningKey.from_pem(private, None)
        with pytest.raises(KeyFileError, match="neither"):
            VerificationKey.from_pem(public)
    agreement = x25519.X25519PrivateKey.generate().public_key()
    data = agreement.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeyFileError, match="neither"):
        VerificationKey.from_pem(data)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", bytes(99)])
def test_files_that_are_no_keys_are_refused(data: bytes) -> None:
    with pytest.raises(KeyFileError):
        VerificationKey.from_pem(data)
    with pytest.raises(KeyFileError):
        SigningKey.from_pem(data, None)
    with pytest.raises(KeyFileError):
        VerificationKey.from_cose_key(data)


@pytest.mark.parametrize(
    "cose_key",
    [
        "a3010120062141aa",  # x too short
        "a301012006215820" + "00" * 32 + "00",  # a byte too many
        "a30102200121582000".ljust(74, "0"),  # no y
        "a401022001215820" + "11" * 32 + "225820" + "22" * 32,  # not on the curve
        "a30101200621" + "01",  # x is a number
        "80",
        "a0",
    ],
)
def test_malformed_cose_keys_are_refused(cose_key: str) -> None:
    with pytest.raises(KeyFileError):
        VerificationKey.from_cose_key(bytes.fromhex(cose_key))


def test_a_key_file_of_unreasonable_size_is_refused_unread(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(20000))
    with pytest.raises(KeyFileError, match="too long"):
        VerificationKey.load(path)
