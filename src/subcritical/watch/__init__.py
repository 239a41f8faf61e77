"""Watches agents that others start: each tool call is judged by a process of its own before it runs.

The gate answers; whoever asks it (a hook, an approver, a proxy) must take every other answer, and none, for a denial.
It is a sensor and a soft gate. What holds against a program that a tool call starts is the operating system alone:
another user, read-only mounts, a sandbox (docs/how-to/hosts.md).
"""
