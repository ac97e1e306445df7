"""Takes network, programs and files away from the process it is called in, for work on files that may be programs.

Linux only: Landlock for files (kernel 5.13), a seccomp filter for sockets and programs, both without privileges and for
good. The process is to have imported everything heavy before.
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_RULE_PATH_BENEATH = 1
# linux/landlock.h: the accesses of its first version, which every later kernel knows.
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_ALL_ACCESS = (1 << 13) - 1
_READ = _EXECUTE | _READ_FILE | _READ_DIR
# socket, connect, sendto, sendmsg, bind, listen, accept, accept4, socketpair, execve, execveat, ptrace, io_uring_setup
_FORBIDDEN = {
    "x86_64": (0xC000003E, (41, 42, 44, 46, 49, 50, 43, 288, 53, 59, 322, 101, 425)),
    "aarch64": (0xC00000B7, (198, 203, 206, 211, 200, 201, 202, 242, 199, 221, 281, 117, 425)),
}
_DEVICES = ("/dev/urandom", "/dev/random")
_X32_BIT = 0x40000000
_KILL, _ALLOW, _DENY = 0x80000000, 0x7FFF0000, 0x00050000 | 13
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06


class CannotConfine(Exception):
    """This system has no way to take files and network away."""


def confine(folder: Path) -> None:
    """From here on: reading and writing in the folder, reading Python's own code, and nothing else.

    Raises CannotConfine on systems without Landlock or seccomp.
    """
    if sys.platform != "linux" or platform.machine() not in _FORBIDDEN:
        raise CannotConfine(f"{platform.system()} on {platform.machine()} cannot confine a process")
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise CannotConfine("The kernel does not take privileges away")
    _confine_files(kernel, folder, _code())
    _confine_calls(kernel)


def _code() -> Iterable[Path]:
    """Python's own code, and the devices without which no random number can be drawn."""
    places = {Path(place).resolve() for place in (*sys.path, sys.prefix, sys.base_prefix, *_DEVICES) if place}
    return sorted(place for place in places if place.exists() and place != Path("/"))


def _confine_files(kernel: ctypes.CDLL, folder: Path, code: Iterable[Path]) -> None:
    attributes = struct.pack("Q", _ALL_ACCESS)
    rules = kernel.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if rules < 0:
        raise CannotConfine("The kernel has no Landlock, which takes files away")
    try:
        _allow(kernel, rules, folder, _ALL_ACCESS & ~_EXECUTE)
        for place in code:
            _allow(kernel, rules, place, _READ if place.is_dir() else _EXECUTE | _READ_FILE)
        if kernel.syscall(_LANDLOCK_RESTRICT_SELF, rules, 0) != 0:
            raise CannotConfine("Landlock does not restrict this process")
    finally:
        os.close(rules)


def _allow(kernel: ctypes.CDLL, rules: int, place: Path, access: int) -> None:
    handle = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = struct.pack("=Qi", access, handle)
        if kernel.syscall(_LANDLOCK_ADD_RULE, rules, _LANDLOCK_RULE_PATH_BENEATH, rule, 0) != 0:
            raise CannotConfine(f"Landlock does not take a rule for {place}")
    finally:
        os.close(handle)


def _confine_calls(kernel: ctypes.CDLL) -> None:
    """A filter that answers forbidden calls with 'permission denied'."""
    architecture, forbidden = _FORBIDDEN[platform.machine()]
    program = [
        (_LOAD, 0, 0, 4),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_JUMP_AT_LEAST, len(forbidden) + 1, 0, _X32_BIT),
        *((_JUMP_EQUAL, len(forbidden) - place, 0, number) for place, number in enumerate(forbidden)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    if kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0) != 0:
        raise CannotConfine("The kernel takes no seccomp filter, which takes the network away")
