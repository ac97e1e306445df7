"""What every function in assembly begins and ends with: a hidden symbol in a section of its own."""

_HEAD = """
    .section .text.@NAME@, "ax", %progbits
    .balign 4
    .globl  @NAME@
    .hidden @NAME@
    .type   @NAME@, %function
"""
_TAIL = """
    .size   @NAME@, . - @NAME@
"""


def assembly_function(body: str) -> str:
    """The text of a function; @NAME@ stands for its name."""
    return f"{_HEAD}@NAME@:\n{body.strip(chr(10))}{_TAIL}"


def thumb_function(body: str) -> str:
    """The text of a function in Thumb code."""
    return f"\n    .syntax unified\n    .thumb{_HEAD}    .thumb_func\n@NAME@:\n{body.strip(chr(10))}{_TAIL}"
