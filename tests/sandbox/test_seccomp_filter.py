"""The filter's program, run by a small interpreter: also for the architecture this machine is not."""

import errno
import struct

import pytest

from subcritical.sandbox._seccomp import _AUDIT_ARCH, _NUMBERS, build_filter, supported

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def decide(program, arch, number, *arguments):
    """What the kernel would return: classic BPF with the six operations that the filter uses."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(arguments + (0,) * 6)[:6])
    code = [struct.unpack_from("<HBBI", program, place) for place in range(0, len(program), 8)]
    place, value = 0, 0
    while True:
        operation, yes, no, constant = code[place]
        place += 1
        match operation:
            case 0x20:
                value = struct.unpack_from("<I", data, constant)[0]
            case 0x54:
                value &= constant
            case 0x15:
                place += yes if value == constant else no
            case 0x35:
                place += yes if value >= constant else no
            case 0x45:
                place += yes if value & constant else no
            case 0x06:
                return constant


@pytest.fixture(params=list(_AUDIT_ARCH))
def machine(request):
    return request.param


def number(name, machine):
    return _NUMBERS[name][list(_AUDIT_ARCH).index(machine)]


def test_every_jump_stays_inside(machine):
    for namespaces in (True, False):
        for own_uid in (True, False):
            program = build_filter(namespaces=namespaces, own_uid=own_uid, machine=machine)
            count = len(program) // 8
            assert count < 4096
            for place in range(count):
                operation, yes, no, _ = struct.unpack_from("<HBBI", program, place * 8)
                if operation in {0x15, 0x35, 0x45}:
                    assert place + 1 + max(yes, no) < count
            assert struct.unpack_from("<HBBI", program, (count - 1) * 8)[0] == 0x06


def test_the_same_numbers_are_not_used_twice(machine):
    numbers = [known for name in _NUMBERS if (known := number(name, machine)) is not None]
    assert len(numbers) == len(set(numbers))


def test_everything_listed_is_refused_without_namespaces(machine):
    program = build_filter(namespaces=False, own_uid=False, grouped=False, machine=machine)
    for name in _NUMBERS:
        known = number(name, machine)
        if known is None or name in {"clone", "prctl", "ioctl", "socketpair", "fcntl"}:
            continue
        wanted = ERRNO | (errno.ENOSYS if name == "clone3" else errno.EPERM)
        assert decide(program, _AUDIT_ARCH[machine], known, 1, 1) == wanted, name


def test_arguments_decide(machine):
    program = build_filter(namespaces=True, own_uid=True, machine=machine)
    arch = _AUDIT_ARCH[machine]

    def ask(name, *arguments):
        return decide(program, arch, number(name, machine), *arguments)

    refused = ERRNO | errno.EPERM
    for domain in (1, 2, 10):
        assert ask("socket", domain, 1) == ask("socket", domain, 2 | 0o2000000) == ALLOW
        assert ask("socket", domain, 3) == refused
    for domain in (0, 3, 16, 17, 31, 38, 40, 44):
        assert ask("socket", domain, 1) == refused
    assert ask("socketpair", 1, 1) == ALLOW
    assert ask("socketpair", 1, 2) == refused
    assert ask("clone", 17) == ask("clone", 0x3D0F00) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask("clone", flag | 17) == refused
    assert ask("prctl", 1, 0) == refused
    assert ask("prctl", 15, 0) == ALLOW
    assert ask("ioctl", 0, 0x5412) == refused
    assert ask("ioctl", 0, 0x5401) == ALLOW
    assert ask("shmget", 0) == ALLOW
    assert ask("fchmod", 0) == ALLOW
    assert ask("fcntl", 3, 1026) == ask("fcntl", 3, 1024) == refused
    assert ask("fcntl", 3, 1) == ask("fcntl", 3, 1025) == ALLOW
    assert ask("inotify_init1", 0) == refused
    assert ask("memfd_create", 0) == ALLOW


def test_memory_of_no_process_is_refused_where_nothing_counts_it(machine):
    program = build_filter(namespaces=True, own_uid=True, grouped=False, machine=machine)
    for name in ("memfd_create", "shmget", "msgget", "mq_open"):
        assert decide(program, _AUDIT_ARCH[machine], number(name, machine), 0, 0) == ERRNO | errno.EPERM


def test_other_architectures_and_tables_do_not_pass(machine):
    program = build_filter(namespaces=True, own_uid=True, machine=machine)
    assert decide(program, 0x40000003, 1) == KILL
    if machine == "x86_64":
        assert decide(program, _AUDIT_ARCH[machine], 0x40000000 + 41) == ERRNO | errno.ENOSYS
    assert decide(program, _AUDIT_ARCH[machine], 0 if machine == "x86_64" else 63) == ALLOW


def test_an_unknown_architecture_has_no_filter():
    assert not supported("riscv64")
    assert build_filter(namespaces=True, own_uid=True, machine="riscv64") == b""
