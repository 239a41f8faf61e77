"""Whatever is changed in a bundle is found and named; without keys of one's own that means little, and it says so."""

import io
import json
import stat
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import pytest
from audit_cases import BundleMaker, DirectSigner, RunLog, broken, with_new_manifest, without
from hypothesis import given, settings
from hypothesis import strategies as st

from subcritical.audit import pack, verify_bundle
from subcritical.audit.verify_bundle import BrokenError, as_text, main, read_bundle, verify
from subcritical.clock import FakeClock
from subcritical.errors import InputError
from subcritical.ledger import erase, read_journal
from subcritical.ledger.tlog import (
    Cosigner,
    KeyType,
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    format_policy,
    parse_note,
)
from subcritical.schema import Finding

TOP = ["MANIFEST.json", "MANIFEST.note", "VERIFY.md", "checkpoint", "detectors.json", "policy.tlog"]


def test_an_honest_bundle_passes(made):
    report = verify(made.files, policy=made.policy)
    assert not report.broken, as_text(report)
    assert sorted(name for name in made.files if "/" not in name) == TOP
    assert "All checks passed." in as_text(report)


def test_without_pinned_keys_the_first_line_says_what_that_means(made):
    lines = as_text(verify(made.files)).splitlines()
    assert "keys not pinned: self-consistent only" in lines[0]
    assert "All checks passed." in lines[-1]


def test_the_verifier_needs_nothing_of_ours(made, tmp_path):
    pack(made.files, tmp_path / "bundle.zip")
    (tmp_path / "policy").write_bytes(made.policy)
    (tmp_path / "verify_bundle.py").write_bytes(Path(verify_bundle.__file__).read_bytes())
    code = "import sys; sys.modules['subcritical'] = None; sys.argv = sys.argv[1:]; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, str(tmp_path / "verify_bundle.py"), str(tmp_path / "bundle.zip")]
    done = subprocess.run([*command, "--policy", str(tmp_path / "policy"), "--json"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["ok"]


def flipped(data, at=None):
    changed = bytearray(data)
    changed[len(changed) // 2 if at is None else at] ^= 1
    return bytes(changed)


def test_one_flipped_bit_in_each_file_is_found_and_the_file_named(made):
    for name in made.files:
        for at in (0, len(made.files[name]) // 2, len(made.files[name]) - 1):
            files = {**made.files, name: flipped(made.files[name], at)}
            assert any(name in error for error in broken(files, policy=made.policy)), (name, at)


def test_the_same_with_the_list_recomputed_by_the_attacker(made):
    named_itself = 0
    for name in made.files:
        if name.startswith("MANIFEST"):
            continue
        files = with_new_manifest({**made.files, name: flipped(made.files[name])})
        found = broken(files, policy=made.policy)
        assert "MANIFEST.json" in found, name
        named_itself += any(error.split(",")[0] == name for error in found)
    assert named_itself >= len([name for name in made.files if "/" in name]) + 1  # and the checkpoint


def test_planted_without_the_lists_signature_a_changed_page_passes(made, monkeypatch):
    files = with_new_manifest({**made.files, "VERIFY.md": b"All is well.\n"})
    assert broken(files, policy=made.policy) == ["MANIFEST.json"]
    monkeypatch.setattr(verify_bundle, "check_manifest", lambda *_: "")
    assert broken(files, policy=made.policy) == []


@pytest.mark.parametrize("recompute", [False, True])
def test_a_file_removed_or_added_is_named(made, recompute):
    again = with_new_manifest if recompute else dict
    for name in made.files:
        rest = {k: v for k, v in made.files.items() if k != name}
        if name.startswith("MANIFEST"):
            assert name in broken(rest, policy=made.policy)
            continue
        found = broken(again(rest), policy=made.policy)
        assert name in found or "MANIFEST.json" in found
    found = broken(again({**made.files, "extra.json": b"{}"}), policy=made.policy)
    assert found == (["MANIFEST.json"] if recompute else ["extra.json"])


def test_files_of_another_bundle_do_not_fit(made, other):
    assert not verify(other.files, policy=other.policy).broken
    for name in set(made.files) & set(other.files):
        if made.files[name] != other.files[name]:
            for files in ({**made.files, name: other.files[name]},):
                assert broken(files, policy=made.policy), name
                if not name.startswith("MANIFEST"):
                    assert broken(with_new_manifest(files), policy=made.policy), name
    lists = {name: other.files[name] for name in other.files if name.startswith("MANIFEST")}
    assert broken({**made.files, **lists}, policy=made.policy)
    assert broken(other.files, policy=made.policy)


def test_a_bundle_rebuilt_under_the_attackers_keys_fails_under_a_policy(made, tmp_path):
    attacker = DirectSigner(tmp_path / "signer", seed=bytes(31) + b"x")
    files = made.make(signer=attacker)
    assert not verify(files).broken
    assert "checkpoint" in broken(files, policy=made.policy)


def test_a_removed_finding_passes_the_verifier_and_is_caught_by_what_was_seen(made, tmp_path):
    """Rebuilt and signed again with the real key: only somebody's memory, a witness, or a replay can tell."""
    dropped = next(r.seq for r in read_journal(made.directory / "journal") if isinstance(r, Finding))
    without(made.directory / "journal", tmp_path / "journal", lambda r: r.seq == dropped)
    files = made.make(signer=DirectSigner(tmp_path / "forgetful"), journal=tmp_path / "journal")
    assert not verify(files, policy=made.policy).broken
    assert broken(files, policy=made.policy, seen=made.files["checkpoint"]) == ["checkpoint"]
    text = as_text(verify(files, policy=made.policy, seen=made.files["checkpoint"]))
    assert "history was rewritten" in text or "rolled back" in text


def test_an_older_checkpoint_is_continued(made, tmp_path):
    log = RunLog(made.directory / "journal")
    log.follow()
    early = DirectSigner(tmp_path / "signer").sign(log.origin, 9, log.tree.root(9), [])
    report = verify(made.files, policy=made.policy, seen=early)
    assert not report.broken
    assert "continues your checkpoint of 9 entries" in as_text(report)
    assert broken(made.files, policy=made.policy, seen=b"nonsense") == ["--seen"]


def witnesses():
    keys = [
        Cosigner("w1", bytes(31) + b"1", KeyType.COSIGNER_ED25519),
        Cosigner("w2", bytes(31) + b"2"),
        Cosigner("w3", bytes(31) + b"3"),
    ]
    return keys, tuple(PolicyWitness(key.verifier_key.name, key.verifier_key) for key in keys)


@pytest.mark.parametrize(("signing", "enough"), [((0, 1), True), ((1, 2), True), ((0,), False), ((), False)])
def test_a_quorum_of_witnesses_is_asked_for(made, signing, enough):
    keys, named = witnesses()
    group = PolicyGroup("outside", 2, ("w1", "w2", "w3"))
    log_key = PolicyLog(made.signer.key(made.origin))
    policy = format_policy(Policy(logs=(log_key,), witnesses=named, groups=(group,), quorum="outside"))
    note = made.files["checkpoint"]
    note += b"".join(keys[i].sign(parse_note(note).text, 1_700_000_000).line for i in signing)
    files = made.make(checkpoint=note)
    found = broken(files, policy=policy)
    assert found == ([] if enough else ["checkpoint"])
    if enough:
        spoilt = note[:-9] + (b"A" if note[-9:-8] != b"A" else b"B") + note[-8:]
        assert "checkpoint" in broken({**files, "checkpoint": spoilt}, policy=policy)


def test_without_the_journal_the_entries_are_still_proven(made):
    files = made.make(with_journal=False)
    report = verify(files, policy=made.policy)
    assert not report.broken
    assert "holds no journal" in as_text(report)


def test_an_erased_record_is_erased_with_its_digest_kept(tmp_path):
    made = BundleMaker(tmp_path)
    message = next(r for r in read_journal(tmp_path / "journal") if "turn 2" in str(r))
    before = made.files["checkpoint"]
    erase(tmp_path / "journal", [message.seq], by="ann", reason="private", clock=FakeClock())
    files = made.make()
    report = verify(files, policy=made.policy, seen=before)
    assert not report.broken, as_text(report)
    assert "1 records erased, digest kept" in as_text(report)
    assert not any(b"turn 2" in data for data in files.values())


def test_an_erased_finding_is_broken_even_with_a_valid_chain(tmp_path, monkeypatch):
    made = BundleMaker(tmp_path)
    finding = next(r for r in read_journal(tmp_path / "journal") if isinstance(r, Finding))
    monkeypatch.setattr("subcritical.ledger.erasing.ERASABLE", {"finding"})
    monkeypatch.setattr("subcritical.ledger._scan.ERASABLE", {"finding"})
    erase(tmp_path / "journal", [finding.seq], by="operator", reason="ugly", clock=FakeClock())
    report = verify(made.make(), policy=made.policy)
    assert "never allowed" in as_text(report)
    assert [error.file.split(",")[0] for error in report.broken] == ["journal/segment-000001.jsonl"]


def test_numbering_silence_and_a_missing_end_are_named(made, tmp_path):
    text = as_text(verify(made.files, policy=made.policy))
    assert "no END" not in text
    ends = [r.seq for r in read_journal(made.directory / "journal") if "end=True" in str(r)]
    without(made.directory / "journal", tmp_path / "journal", lambda r: r.seq >= ends[0])
    files = made.make(signer=DirectSigner(tmp_path / "signer"), journal=tmp_path / "journal")
    assert "no END entry" in as_text(verify(files, policy=made.policy))
    assert "silence of" not in text
    assert "silence of 2 s before entry" in as_text(verify(made.files, policy=made.policy, silence_s=1.5))


@pytest.mark.parametrize("kind", ["directory", "zip"])
def test_packed_and_read_back(made, tmp_path, kind):
    target = tmp_path / ("bundle.zip" if kind == "zip" else "bundle")
    pack(made.files, target)
    assert read_bundle(target) == made.files
    with pytest.raises(InputError, match="exists"):
        pack(made.files, target)
    if kind == "zip":
        pack(made.files, tmp_path / "again.zip")
        assert (tmp_path / "again.zip").read_bytes() == target.read_bytes()


def zip_of(*members):
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, data, mode in members:
            info = zipfile.ZipInfo("x")
            info.filename = name  # as hostile programs write it
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return stream.getvalue()


FILE = stat.S_IFREG | 0o644


@pytest.mark.parametrize(
    "data",
    [
        zip_of(("../evil", b"x", FILE)),
        zip_of(("/etc/passwd", b"x", FILE)),
        zip_of(("a/../../b", b"x", FILE)),
        zip_of(("a\\b", b"x", FILE)),
        zip_of(("link", b"/etc/passwd", stat.S_IFLNK | 0o777)),
        zip_of(("fifo", b"", stat.S_IFIFO | 0o644)),
        zip_of(("same", b"1", FILE), ("same", b"2", FILE)),
        zip_of(("Checkpoint", b"1", FILE), ("checkpoint", b"2", FILE)),
        zip_of(("esc\x1b[2J", b"1", FILE)),
        zip_of(("bidi\u202e", b"1", FILE)),
        b"PK\x03\x04nonsense",
        b"",
        zip_of(("checkpoint", b"x" * 10_000, FILE))[:-30],
    ],
    ids=range(13),
)
def test_tricks_with_zip_files_end_with_a_report(tmp_path, data, capsys):
    path = tmp_path / "bundle.zip"
    path.write_bytes(data)
    assert main([str(path)]) == 7
    out = capsys.readouterr().out
    assert out.startswith("FAIL bundle: ")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert list(tmp_path.iterdir()) == [path]


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(verify_bundle, "FILE_BYTES_MAX", 1_000_000)
    path = tmp_path / "bomb.zip"
    path.write_bytes(zip_of(("checkpoint", bytes(5_000_000), FILE)))
    with pytest.raises(BrokenError, match="too large"):
        read_bundle(path)
    # A size that lies: the reader takes one byte more than promised, never all.
    data = bytearray(zip_of(("checkpoint", bytes(5_000_000), FILE)))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(BrokenError):
        read_bundle(path)


def test_links_in_a_directory_are_refused(made, tmp_path):
    pack(made.files, tmp_path / "bundle")
    (tmp_path / "bundle/VERIFY.md").unlink()
    (tmp_path / "bundle/VERIFY.md").symlink_to("/etc/passwd")
    with pytest.raises(BrokenError, match="plain file"):
        read_bundle(tmp_path / "bundle")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_hostile_content_never_raises(made, data):
    name = data.draw(st.sampled_from(sorted(made.files)))
    content = made.files[name]
    at = data.draw(st.integers(0, len(content)))
    junk = data.draw(
        st.one_of(st.binary(max_size=40), st.sampled_from([b"[" * 5000, b'{"a":1e999}', b"\n\n", b"9" * 5000]))
    )
    cut = data.draw(st.integers(0, 60))
    files = {**made.files, name: content[:at] + junk + content[at + cut :]}
    report = verify(with_new_manifest(files, key=made.signer.seed), policy=made.policy, seen=made.files["checkpoint"])
    as_text(report)


@settings(max_examples=100, deadline=None)
@given(policy=st.binary(max_size=300), seen=st.binary(max_size=300))
def test_hostile_policies_and_checkpoints_never_raise(made, policy, seen):
    assert verify(made.files, policy=policy, seen=seen).broken


def test_usage_errors_are_exit_2(tmp_path, capsys):
    for argv in ([str(tmp_path / "no")], [str(tmp_path), "--policy", str(tmp_path / "no")]):
        with pytest.raises(SystemExit) as error:
            main(argv)
        assert error.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
