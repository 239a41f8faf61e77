"""RFC 6962 section 2.1 as it is written there, recursive and slow: what the fast tree is compared with."""

from hashlib import sha256


def leaf(data):
    return sha256(b"\x00" + data).digest()


def mth(entries):
    if not entries:
        return sha256().digest()
    if len(entries) == 1:
        return leaf(entries[0])
    k = split(len(entries))
    return sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m, entries):
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return [*path(m, entries[:k]), mth(entries[k:])]
    return [*path(m - k, entries[k:]), mth(entries[:k])]


def proof(m, entries):
    return subproof(m, entries, complete=True) if 0 < m < len(entries) else []


def subproof(m, entries, *, complete):
    if m == len(entries):
        return [] if complete else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], complete=complete), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], complete=False), mth(entries[:k])]


def split(count):
    k = 1
    while 2 * k < count:
        k *= 2
    return k
