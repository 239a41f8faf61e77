"""The system-call filter, assembled as classic BPF without a library.

It is a list of refusals, not of permissions: new system calls of a newer kernel pass. What it
protects against is in the tables below; everything else is the work of the namespaces, of
Landlock and of the control groups.
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_PR_SET_PDEATHSIG = 1
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_F_SETLEASE, _F_NOTIFY = 1024, 1026
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM, _SOCK_DGRAM, _SOCK_SEQPACKET = 1, 2, 5

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Numbers: Linux arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
# None: the architecture does not have the call. From 424 on both have the same numbers.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "prctl": (157, 167),
    "ioctl": (16, 29),
    "clone3": (435, 435),
    # other processes' memory, descriptors and registers
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    # kernel surface that no payload needs
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "memfd_secret": (447, 447),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "_sysctl": (156, None),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    # load, memory and uptime of the whole machine: a way to hear what another sandbox does
    "sysinfo": (99, 179),
    # notices about files that several sandboxes may read; they wait while their reader is frozen
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fcntl": (72, 25),
    # memory that belongs to no process, where no control group counts it
    "memfd_create": (319, 279),
    # shared between processes of the host where there is no ipc namespace
    "shmget": (29, 194),
    "shmat": (30, 196),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # changes that Landlock does not govern
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "pidfd_open": (434, 434),
    # A time slice of its own, 100 ms at most: on rungs without a control group 200 processes with
    # such slices would keep the order to stop them waiting for seconds (Linux 6.12: sched_attr::sched_runtime).
    "sched_setattr": (314, 274),
}

_ARGUMENT_CHECKED = ("socket", "socketpair", "clone", "prctl", "ioctl", "fcntl")
_UNCOUNTED = ("memfd_create", "shmget", "msgget", "mq_open")
_NO_IPC_NAMESPACE = ("shmget", "shmat", "msgget", "semget", "mq_open", "pidfd_open")
_SAME_OWNER = (
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "lchown",
    "fchown",
    "fchownat",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "setxattrat",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "removexattrat",
    "file_setattr",
)

Instruction = tuple[int, int, int, int]


def supported(machine: str | None = None) -> bool:
    """Whether the filter knows this processor architecture (None: the one we run on)."""
    return (machine or platform.machine()) in _AUDIT_ARCH


def build_filter(*, namespaces: bool, own_uid: bool, grouped: bool = True, machine: str | None = None) -> bytes:
    """Bytes of a `struct sock_filter` array.

    Args:
        namespaces: The payload has mount, network, ipc and pid namespaces of its own. Without them
            sockets, System V ipc and message queues are refused altogether, because a socket
            with a path leads out of any set of Landlock rules.
        own_uid: No file of the host belongs to the payload's user. Otherwise changing modes,
            owners, times and extended attributes is refused, because Landlock does not govern it.
        grouped: A control group counts the memory. Otherwise memory that belongs to no process is refused.
        machine: `x86_64` or `aarch64`; None for the one we run on.

    Returns:
        The program, or empty bytes on an architecture it does not know.
    """
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        return b""
    column = list(_AUDIT_ARCH).index(machine)
    program: list[Instruction] = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        program += [(_AT_LEAST, 0, 1, _X32_BIT), _refuse(errno.ENOSYS)]
    for name, blocks in (
        ("socket", _socket_rules(namespaces=namespaces)),
        ("socketpair", _socketpair_rules()),
        ("clone", [*_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _refuse(errno.EPERM)]),
        ("prctl", [*_argument(0), (_EQUAL, 0, 1, _PR_SET_PDEATHSIG), _refuse(errno.EPERM)]),
        ("ioctl", _ioctl_rules()),
        ("fcntl", [*_argument(1), (_EQUAL, 1, 0, _F_SETLEASE), (_EQUAL, 0, 1, _F_NOTIFY), _refuse(errno.EPERM)]),
    ):
        number = _NUMBERS[name][column]
        if number is not None:
            body = [*blocks, (_RETURN, 0, 0, _ALLOW)]
            program += [(_EQUAL, 0, len(body), number), *body]
    for name in _NUMBERS:
        number = _NUMBERS[name][column]
        if number is None or name in _ARGUMENT_CHECKED:
            continue
        if _passes(name, namespaces=namespaces, own_uid=own_uid, grouped=grouped):
            continue
        # clone3 keeps its flags in memory that a filter cannot read; libc falls back to clone.
        reason = errno.ENOSYS if name == "clone3" else errno.EPERM
        program += [(_EQUAL, 0, 1, number), _refuse(reason)]
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in program)


def _passes(name: str, *, namespaces: bool, own_uid: bool, grouped: bool) -> bool:
    """Whether something else than the filter governs a listed call here."""
    if name in _UNCOUNTED and not grouped:
        return False
    if name == "memfd_create" or (name in _NO_IPC_NAMESPACE and namespaces):
        return True
    return name in _SAME_OWNER and (namespaces or own_uid)


def _refuse(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERRNO | number)


def _argument(index: int) -> list[Instruction]:
    """Load the lower half of an argument; these arguments are ints, the upper half is not looked at by the kernel."""
    return [(_LOAD, 0, 0, 16 + 8 * index)]


def _socket_rules(*, namespaces: bool) -> list[Instruction]:
    if not namespaces:
        return [_refuse(errno.EPERM)]
    domains: list[Instruction] = [
        *_argument(0),
        (_EQUAL, 3, 0, _AF_UNIX),
        (_EQUAL, 2, 0, _AF_INET),
        (_EQUAL, 1, 0, _AF_INET6),
        _refuse(errno.EPERM),
    ]
    types: list[Instruction] = [
        *_argument(1),
        (_AND, 0, 0, 0xF),
        (_EQUAL, 3, 0, _SOCK_STREAM),
        (_EQUAL, 2, 0, _SOCK_DGRAM),
        (_EQUAL, 1, 0, _SOCK_SEQPACKET),
        _refuse(errno.EPERM),
    ]
    return domains + types


def _socketpair_rules() -> list[Instruction]:
    # A datagram socket of a pair can still be sent to any path; a connected stream cannot.
    return [
        *_argument(0),
        (_EQUAL, 1, 0, _AF_UNIX),
        _refuse(errno.EPERM),
        *_argument(1),
        (_AND, 0, 0, 0xF),
        (_EQUAL, 2, 0, _SOCK_STREAM),
        (_EQUAL, 1, 0, _SOCK_SEQPACKET),
        _refuse(errno.EPERM),
    ]


def _ioctl_rules() -> list[Instruction]:
    # Both push characters into a terminal that someone else reads.
    return [*_argument(1), (_EQUAL, 1, 0, _TIOCSTI), (_EQUAL, 0, 1, _TIOCLINUX), _refuse(errno.EPERM)]
