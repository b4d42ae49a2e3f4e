"""Signed notes: the published example, openssl as a second opinion, and everything that is nearly a note."""

import random
import shutil
import subprocess
from pathlib import Path

import pytest

from audit.notes import NoteError, Signer, TreeHead, Verifier

# RFC 8032, 7.1, TEST 1: the seed and its public key.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
# The example of c2sp.org/signed-note and of golang.org/x/mod/sumdb/note.
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
# An Ed25519 public key as openssl wants it: this and the 32 bytes.
DER_PREFIX = bytes.fromhex("302a300506032b6570032100")

SIGNER = Signer("scrollback/0123456789abcdef", SEED)
HEAD = TreeHead(SIGNER.name, 1_234, bytes(range(32)))


def test_the_published_example_is_read() -> None:
    verifier = Verifier.parse(EXAMPLE_KEY)
    assert verifier.open(EXAMPLE) == EXAMPLE.partition("\n\n")[0] + "\n"
    assert str(verifier) == EXAMPLE_KEY


def test_what_is_signed_can_be_read_again() -> None:
    assert SIGNER.verifier.public == PUBLIC
    note = SIGNER.sign(str(HEAD))
    assert TreeHead.parse(Verifier.parse(str(SIGNER.verifier)).open(note)) == HEAD
    assert Signer.parse(SIGNER.written()) == SIGNER


def test_a_line_by_somebody_else_does_no_harm() -> None:
    note = SIGNER.sign(str(HEAD))
    others = Signer.new("witness.example/w").sign(str(HEAD)).rpartition("\n\n")[2]
    assert SIGNER.verifier.open(note + others) == str(HEAD)
    with pytest.raises(NoteError, match="no signature by"):
        Signer.new(SIGNER.name).verifier.open(note)


def changed(random_: random.Random, text: str) -> bytes:
    """Nearly this text: a bit flipped, cut off, a line gone or twice, two bytes exchanged."""
    data = bytearray(text.encode())
    way, at = random_.randrange(5), random_.randrange(len(data))
    if way == 0:
        data[at] ^= 1 << random_.randrange(8)
    elif way == 1:
        del data[at:]
    elif way == 2:
        other = random_.randrange(len(data))
        data[at], data[other] = data[other], data[at]
    else:
        lines = text.encode().splitlines(keepends=True)
        line = random_.randrange(len(lines))
        lines[line : line + 1] = [] if way == 3 else [lines[line]] * 2
        data = bytearray(b"".join(lines))
    return bytes(data)


def test_of_3_000_notes_that_are_nearly_right_none_says_anything_else() -> None:
    """Some change nothing that counts, as a signature line that is there twice: then it says what was signed."""
    random_ = random.Random(8032)
    note, verifier = SIGNER.sign(str(HEAD)), SIGNER.verifier
    refused = 0
    while refused < 3_000:
        try:
            text = changed(random_, note).decode()
            head = TreeHead.parse(verifier.open(text))
        except (NoteError, UnicodeDecodeError):
            refused += 1
        else:
            assert head == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        "log\n1\n",
        "log\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n\u0661\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n9999999999999999999\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n1\nAAAA\n",
        "log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ],
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        TreeHead.parse(text)


@pytest.mark.parametrize(
    "text", ["", "a", "a+b", "a+00000000+AAAA", EXAMPLE_KEY[:-4], EXAMPLE_KEY.lower(), "+" * 9]
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Verifier.parse(text)
    with pytest.raises(NoteError):
        Signer.parse("PRIVATE+KEY+" + text)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to ask")
def test_openssl_accepts_the_signature_and_refuses_it_after_one_digit(tmp_path: Path) -> None:
    import base64

    note = SIGNER.sign(str(HEAD))
    signature = base64.b64decode(note.splitlines()[-1].rpartition(" ")[2])[4:]
    (tmp_path / "key.der").write_bytes(DER_PREFIX + SIGNER.verifier.public)
    (tmp_path / "signature").write_bytes(signature)

    def verdict(text: str) -> int:
        (tmp_path / "text").write_text(text)
        command = (
            "openssl pkeyutl -verify -rawin -pubin -keyform DER -inkey key.der -in text -sigfile signature"
        )
        return subprocess.run(command.split(), cwd=tmp_path, capture_output=True).returncode

    assert verdict(str(HEAD)) == 0
    assert verdict(str(HEAD).replace("1234", "1235")) != 0
