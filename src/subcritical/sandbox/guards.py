"""Guards that a containment can be started without, for tests alone."""

from __future__ import annotations

GUARDS = frozenset(
    {
        "clear_environment",
        "close_fds",
        "dead_man",
        "disk_limit",
        "inode_limit",
        "landlock",
        "memory_limit",
        "mount_namespace",
        "nested_namespaces",
        "network_namespace",
        "output_cap",
        "pid_namespace",
        "process_limit",
        "seccomp",
    }
)
"""Names for `_without`: a test removes a guard to show that the attack succeeds then."""
