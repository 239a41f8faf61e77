"""Asks witnesses to cosign a checkpoint, and believes nothing of what they answer but a signature it has checked.

A witness can refuse, lie about what it has seen, or keep silent; it cannot make a checkpoint look cosigned that it did
not cosign. That enough witnesses are *independent* of each other and of the log nobody can check from here.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import urllib.response
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from subcritical.errors import InputError, LedgerError, SourceError, SubcriticalError
from subcritical.ledger.tlog import (
    AddCheckpoint,
    Checkpoint,
    Note,
    Policy,
    Signature,
    SignatureError,
    TlogError,
    Tree,
    VerifierKey,
    format_add_checkpoint,
    format_note,
    open_note,
    parse_checkpoint,
    parse_conflict,
    parse_note,
    parse_signatures,
)
from subcritical.ledger.tlog.notes import NOTE_BYTES_MAX
from subcritical.ledger.tlog.witness_protocol import CONFLICT, OK, UNPROCESSABLE
from subcritical.schema import visible

TIMEOUT_S = 10.0
_SHOWN = 200
_T = TypeVar("_T")


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """A witness whose cosignature is not there.

    `names` are the policy's names for the keys at `url`. With `contradicted` the witness says that it has cosigned
    something that this checkpoint does not continue: either there is a second history under the log's key, or the
    log was shortened, or the witness is wrong. Never just try again then.
    """

    names: tuple[str, ...]
    url: str
    why: str
    contradicted: bool


class Collected(NamedTuple):
    """The note with what was added to it, the policy's names of who cosigned it now, and who did not."""

    note: bytes
    cosigned: tuple[str, ...]
    unanswered: tuple[Unanswered, ...]


class ContradictionError(LedgerError):
    """A witness has cosigned something that the checkpoint does not continue, or says so."""


def submit(
    url: str,
    note: bytes,
    tree: Tree,
    keys: Sequence[VerifierKey],
    *,
    old_size: int = 0,
    timeout_s: float = TIMEOUT_S,
) -> tuple[Signature, ...]:
    """Have one witness cosign a checkpoint.

    Args:
        url: Where it is, without `/add-checkpoint`; http or https.
        note: The signed checkpoint.
        tree: The log, with at least the checkpoint's entries. Nobody may add to it until this returns.
        keys: The witness's keys that the caller knows. Only their signatures are returned.
        old_size: Size the witness cosigned last, as far as the caller knows; a wrong guess costs one more question.
        timeout_s: Seconds for everything together, > 0.

    Returns:
        Cosignatures over the note's text, each checked, at least one, none with time 0.

    Raises:
        InputError: The URL cannot be one.
        LedgerError: The checkpoint is not of this tree, or (`ContradictionError`) not a continuation of what the
            witness says it has cosigned.
        SourceError: No answer in time, or none that can be used.

    Not checked: the time that a cosignature states. Source: tlog-witness, "add-checkpoint".
    """
    prover = _Prover(note, tree)
    answer = _together([lambda: _ask(url, prover, keys, old_size, timeout_s)], timeout_s)[0]
    prover.close()
    if isinstance(answer, SubcriticalError):
        raise answer
    return answer


def collect(note: bytes, tree: Tree, policy: Policy, *, old_size: int = 0, timeout_s: float = TIMEOUT_S) -> Collected:
    """Ask every witness of a policy that has a URL, all at the same time.

    Whether the result satisfies the policy is for `policy.check` to say.

    Args:
        note: The checkpoint, signed by a log of the policy. Cosignatures it has already are kept, older ones of a
            witness that answers are replaced.
        tree: As in `submit`.
        policy: Whom to ask and which keys to believe. Keys at one URL are one question.
        old_size: As in `submit`, for all of them.
        timeout_s: Seconds for everything together, > 0.

    Raises:
        LedgerError: No log of the policy has signed the note, or it is not of this tree.
    """
    open_note(note, [log.key for log in policy.logs])
    prover = _Prover(note, tree)
    places: dict[str, list[tuple[str, VerifierKey]]] = {}
    for witness in policy.witnesses:
        if witness.url:
            places.setdefault(witness.url, []).append((witness.name, witness.key))
    jobs = [_job(url, prover, [key for _, key in known], old_size, timeout_s) for url, known in places.items()]
    answers = _together(jobs, timeout_s)
    prover.close()
    added: list[Signature] = []
    cosigned: list[str] = []
    unanswered: list[Unanswered] = []
    for (url, known), answer in zip(places.items(), answers, strict=True):
        if isinstance(answer, SubcriticalError):
            unanswered.append(_unanswered(url, [name for name, _ in known], answer))
            continue
        added += answer
        signers = {(signature.name, signature.key_id) for signature in answer}
        cosigned += [name for name, key in known if (key.name, key.key_id) in signers]
        silent = [name for name, key in known if (key.name, key.key_id) not in signers]
        if silent:
            unanswered.append(_unanswered(url, silent, SourceError(f"witness {url}: no cosignature of this key")))
    return Collected(_with(note, added), tuple(cosigned), tuple(unanswered))


class _Prover:
    """The note and its tree, for several threads; gives nothing any more once closed, since the tree then changes."""

    def __init__(self, note: bytes, tree: Tree) -> None:
        self.note = note
        self.text = parse_note(note).text
        self.checkpoint: Checkpoint = parse_checkpoint(self.text)
        if self.checkpoint.size > tree.size or tree.root(self.checkpoint.size) != self.checkpoint.root:
            raise LedgerError(f"{self.checkpoint.origin}: size {self.checkpoint.size} is signed, but not of this log")
        self._tree: Tree | None = tree
        self._lock = threading.Lock()

    def request(self, old_size: int) -> bytes:
        with self._lock:
            if self._tree is None:
                raise SourceError("too late")
            proof = self._tree.consistency_proof(old_size, self.checkpoint.size)
        return format_add_checkpoint(AddCheckpoint(old_size, tuple(proof), self.note))

    def close(self) -> None:
        with self._lock:
            self._tree = None


def _job(
    url: str, prover: _Prover, keys: Sequence[VerifierKey], old_size: int, timeout_s: float
) -> Callable[[], tuple[Signature, ...]]:
    return lambda: _ask(url, prover, keys, old_size, timeout_s)


def _together(jobs: Sequence[Callable[[], _T]], timeout_s: float) -> list[_T | SubcriticalError]:
    """Run jobs at the same time; what is not done in time is an error.

    A witness that sends one byte now and then could keep a thread for hours. It is left behind: a daemon, so that it
    does not keep the process from ending.
    """
    done: queue.SimpleQueue[tuple[int, _T | SubcriticalError]] = queue.SimpleQueue()

    def run(at: int) -> None:
        try:
            done.put((at, jobs[at]()))
        except SubcriticalError as error:
            done.put((at, error))
        except Exception as error:  # noqa: BLE001 - an answer we fail over is no answer; the others still count
            done.put((at, SourceError(f"failed over its answer: {type(error).__name__}: {error}")))

    answers: list[_T | SubcriticalError] = [SourceError(f"no answer within {timeout_s:g} s")] * len(jobs)
    for at in range(len(jobs)):
        threading.Thread(target=run, args=(at,), name="subcritical-witness-client", daemon=True).start()
    end = time.monotonic() + timeout_s
    for _ in jobs:
        try:
            at, answer = done.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        answers[at] = answer
    return answers


def _ask(
    url: str, prover: _Prover, keys: Sequence[VerifierKey], old_size: int, timeout_s: float
) -> tuple[Signature, ...]:
    place = _place(url)
    size = prover.checkpoint.size
    status, body = _post(place, prover.request(min(old_size, size)), timeout_s)
    if status == CONFLICT:
        seen = _conflict(place, body)
        if seen > size:
            raise ContradictionError(
                f"witness {place}: says it has cosigned size {seen} of {prover.checkpoint.origin}, which is more than "
                f"{size}: the log was shortened, or this is an old checkpoint"
            )
        status, body = _post(place, prover.request(seen), timeout_s)
    if status == UNPROCESSABLE:
        raise ContradictionError(
            f"witness {place}: {prover.checkpoint.origin} at size {size} does not continue what it has cosigned: "
            "there is a second history under this key, or the witness is wrong; compare its checkpoint with yours"
        )
    if status != OK:
        raise SourceError(f"witness {place}: status {status}, {_shown(body)}")
    return _cosignatures(place, body, prover.text, keys)


def _cosignatures(place: str, body: bytes, text: bytes, keys: Sequence[VerifierKey]) -> tuple[Signature, ...]:
    known = {(key.name, key.key_id): key for key in keys}
    checked: dict[VerifierKey, Signature] = {}
    try:
        for signature in parse_signatures(body):
            key = known.get((signature.name, signature.key_id))
            if key is not None:
                if not key.verify(text, signature):
                    raise SignatureError(f"signature of {key.name!r}: it states no time")
                checked.setdefault(key, signature)
    except TlogError as error:
        raise SourceError(f"witness {place}: {visible(str(error), _SHOWN)}") from error
    if not checked:
        raise SourceError(f"witness {place}: it answered without a signature of the key that is known as its own")
    return tuple(checked.values())


def _conflict(place: str, body: bytes) -> int:
    try:
        return parse_conflict(body)
    except TlogError as error:
        raise SourceError(f"witness {place}: status {CONFLICT}, but no size: {_shown(body)}") from error


def _post(place: str, body: bytes, timeout_s: float) -> tuple[int, bytes]:
    request = urllib.request.Request(  # noqa: S310 - _place allows http and https
        f"{place}/add-checkpoint", data=body, headers={"Content-Type": "text/plain; charset=utf-8"}, method="POST"
    )
    try:
        with _open(place, request, timeout_s) as answer:
            return answer.status or 0, answer.read(NOTE_BYTES_MAX + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise SourceError(f"witness {place}: no answer: {visible(str(reason) or repr(reason), _SHOWN)}") from error


def _open(place: str, request: urllib.request.Request, timeout_s: float) -> urllib.response.addinfourl:
    """The answer, whatever its status."""
    try:
        answer: urllib.response.addinfourl = _opener(place).open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        return error
    return answer


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A witness is where the policy says. Elsewhere its answer would prove as much, but we would be sent around."""

    def redirect_request(self, *_: object) -> None:
        return None


def _opener(place: str) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if _is_loopback(urllib.parse.urlsplit(place).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _place(url: str) -> str:
    """The URL without its final slash.

    Raises:
        InputError: Another scheme (a file, say), no host, or parts that have no place in it.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    plain = url.isascii() and url.isprintable() and " " not in url
    if not (usable and plain) or "@" in parts.netloc or parts.query or parts.fragment:
        raise InputError(f"witness URL {url!r}: write http:// or https://, a host and at most a port and a path")
    return url.rstrip("/")


def _with(note: bytes, added: Sequence[Signature]) -> bytes:
    """The note with cosignatures at its end; earlier ones of the same keys go, since only the first would count."""
    parsed = parse_note(note)
    new = {(signature.name, signature.key_id) for signature in added}
    kept = [signature for signature in parsed.signatures if (signature.name, signature.key_id) not in new]
    return format_note(Note(parsed.text, (*kept, *added)))


def _unanswered(url: str, names: Sequence[str], error: SubcriticalError) -> Unanswered:
    contradicted = isinstance(error, ContradictionError)
    return Unanswered(names=tuple(names), url=url, why=str(error), contradicted=contradicted)


def _shown(body: bytes) -> str:
    return repr(visible(body[: 2 * _SHOWN].decode("utf-8", "backslashreplace"), _SHOWN))
