"""The verifier's own Ed25519 against RFC 8032 and against cryptography, and both against keys that sign anything."""

import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.notes import NoteError, Signer, Verifier
from audit.offline import verify

# RFC 8032, 7.1, TEST 1 to 3: seed, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
# Every point whose order divides 8 as 32 bytes: with either sign, and with y written beyond the field's size.
P = 2**255 - 19
ORDER_8 = (
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
)
SMALL_YS = [0, 1, P - 1, P, P + 1, *(int.from_bytes(bytes.fromhex(y), "little") for y in ORDER_8)]
SMALL_ORDER = [(y | sign << 255).to_bytes(32, "little") for y in SMALL_YS for sign in (0, 1)]


def is_right(public: bytes, message: bytes, signature: bytes) -> bool:
    """What cryptography says."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_the_published_signatures_are_right(seed: str, public: str, message: str, signature: str) -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    assert key.public_key().public_bytes_raw().hex() == public
    given = bytes.fromhex(public), bytes.fromhex(message)
    assert verify.is_signed(*given, bytes.fromhex(signature))
    assert not verify.is_signed(given[0], given[1] + b"\0", bytes.fromhex(signature))


def test_it_agrees_with_cryptography_on_what_is_signed_and_what_is_nearly() -> None:
    random_ = random.Random(25519)
    for _ in range(25):
        key = Ed25519PrivateKey.from_private_bytes(random_.randbytes(32))
        public, message = key.public_key().public_bytes_raw(), random_.randbytes(random_.randrange(200))
        whole = [public, message, key.sign(message)]
        assert verify.is_signed(*whole)
        for part in range(3):
            if not whole[part]:
                continue
            changed = list(whole)
            bit = random_.randrange(8 * len(whole[part]))
            data = bytearray(whole[part])
            data[bit // 8] ^= 1 << bit % 8
            changed[part] = bytes(data)
            assert not verify.is_signed(*changed)
            assert not is_right(*changed)


def test_a_second_signature_cannot_be_made_out_of_the_first() -> None:
    """S + L gives the same point; who takes it lets anybody change a signature."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"head")
    factor = int.from_bytes(signature[32:], "little")
    for more in range(1, 16):
        if factor + more * verify.ORDER >= 2**256:
            break
        other = signature[:32] + (factor + more * verify.ORDER).to_bytes(32, "little")
        assert not verify.is_signed(public, b"head", other)
        assert not is_right(public, b"head", other)
    assert more > 1


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length_is_none(size: int) -> None:
    public = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    assert not verify.is_signed(public, b"head", bytes(size))
    assert not verify.is_signed(public[:31], b"head", bytes(64))


@pytest.mark.parametrize("public", SMALL_ORDER, ids=bytes.hex)
def test_a_key_that_everybody_can_sign_with_is_refused_by_both(public: bytes) -> None:
    # The neutral point, and S = 0: right for such a key whenever its order divides the challenge.
    forged = (1).to_bytes(32, "little") + bytes(32)
    assert not any(verify.is_signed(public, b"%d" % number, forged) for number in range(3))
    with pytest.raises(NoteError, match="nobody signed"):
        Verifier("scrollback/0123456789abcdef", public)


def test_cryptography_alone_would_take_such_a_key() -> None:
    """Why the rule is ours to keep: the neutral point as a key accepts one signature for every text."""
    neutral = (1).to_bytes(32, "little")
    assert is_right(neutral, b"anything", neutral + bytes(32))


def test_no_key_that_was_made_is_refused() -> None:
    for number in range(200):
        Signer("log", number.to_bytes(32, "big")).verifier  # noqa: B018
