"""Who may vote: keys as ssh-keygen writes them, each once, and names that cannot pass for each other."""

import subprocess

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from gateway_people import key_of

from subcritical.app.principals import add, enrolled, read_private_key
from subcritical.cli.main import main
from subcritical.errors import InputError
from subcritical.gateway import Principal, Principals
from subcritical.gateway.principals import public_of


def public_file(tmp_path, name):
    path = tmp_path / f"{name}.pub"
    path.write_bytes(key_of(name).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    return path


def call(*arguments):
    return CliRunner().invoke(main, ["principals", *map(str, arguments)])


def test_two_keys_of_one_owner_are_enrolled_and_listed(tmp_path):
    file = tmp_path / "principals.txt"
    for name, owner in (("ana-laptop", "ana"), ("ana-desk", "ana"), ("bo", None)):
        arguments = ("--owner", owner) if owner else ()
        found = call("add", name, "--key", public_file(tmp_path, name), *arguments, "--file", file)
        assert found.exit_code == 0, found.output
    found = call("list", "--file", file)
    assert "3 keys of 2 owners" in found.output
    assert enrolled(file).of(public_of(key_of("ana-desk"))).owner == "ana"


def test_comments_and_earlier_lines_stay(tmp_path):
    file = tmp_path / "principals.txt"
    file.write_text("# the night shift")
    add("bo", key=public_file(tmp_path, "bo"), owner=None, path=file)
    assert file.read_text().startswith("# the night shift\nbo bo ssh-ed25519 AAAA")


def test_a_real_key_of_ssh_keygen_signs_and_enrols(tmp_path):
    try:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no ssh-keygen on this machine")
    one = add("ana", key=tmp_path / "id.pub", owner=None, path=tmp_path / "principals.txt")
    assert public_of(read_private_key(tmp_path / "id")) == one.public


def test_what_cannot_be_enrolled_is_one_error_and_changes_nothing(tmp_path):
    file = tmp_path / "principals.txt"
    add("ana", key=public_file(tmp_path, "ana"), owner=None, path=file)
    before = file.read_bytes()
    private = tmp_path / "secret"
    private.write_bytes(key_of("x").private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    rsa = tmp_path / "rsa.pub"
    rsa.write_bytes(generate_private_key(65537, 2048).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    garbage = tmp_path / "garbage.pub"
    garbage.write_bytes(b"\xff\xfe")
    for name, key, says in (
        ("ana", public_file(tmp_path, "bo"), "two principals are called"),
        ("ANA", public_file(tmp_path, "bo"), "two principals are called"),
        ("bo", public_file(tmp_path, "ana"), "the same key"),
        ("bo", private, "private key"),
        ("bo", rsa, "not an Ed25519 key"),
        ("bo", garbage, "no public key"),
        ("bo", tmp_path / "missing.pub", "No such file"),
        ("b o", public_file(tmp_path, "bo"), "cannot name a principal"),
        ("b\N{CYRILLIC SMALL LETTER O}", public_file(tmp_path, "bo"), "cannot name a principal"),
    ):
        found = call("add", name, "--key", key, "--file", file)
        assert found.exit_code == 2, found.output
        assert says in found.output
        assert "Traceback" not in found.output
        assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ana ana ssh-rsa AAAA", "p.txt:1: a line is"),
        ("ana ana ssh-ed25519", "p.txt:1: a line is"),
        ("\nana ana ssh-ed25519 !!!", "p.txt:2:"),
        ("ana ana ssh-ed25519 AAAA", "has 0 bytes"),
    ],
)
def test_a_broken_file_names_its_line(tmp_path, monkeypatch, text, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.txt").write_text(text)
    found = call("list", "--file", "p.txt")
    assert (found.exit_code, says in found.output) == (2, True), found.output


def test_owners_that_differ_in_case_are_one():
    people = Principals(
        [
            Principal(name="a", owner="Ana", public=public_of(key_of("1"))),
            Principal(name="b", owner="ana", public=public_of(key_of("2"))),
        ]
    )
    assert people.owners == {"ana"}


def test_a_passphrase_is_asked_for_not_guessed(tmp_path):
    file = tmp_path / "id"
    key = Ed25519PrivateKey.generate()
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open")))
    with pytest.raises(InputError, match=r"(?i)passw"):
        read_private_key(file)
    assert public_of(read_private_key(file, b"open")) == public_of(key)
