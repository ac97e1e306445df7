"""What commands show on a terminal: tables that fit, no escape codes with NO_COLOR, and a shell that completes."""

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from collections import Counter
from pathlib import Path

import pytest

COLUMNS = 80
ESCAPE = "\x1b"
COMMANDS = [("targets", "list"), ("backends", "list"), ("objects", "list"), ("--help",), ("no-such-command",)]
TABLE = """
from lwm2m_ml.cli.output import print_table
columns = [f"COLUMN {number}" for number in range(12)]
print_table(columns, [("x" * 300, 1, None, True, 2.5, "wörter mit raum", "字" * 50, 8, 9, 10, 11, "last")] * 3)
"""
PROGRESS = """
from lwm2m_ml.cli.progress import watch
watch("Work", iter([(0.5, "half"), (1.0, "whole")]))
"""


def environment(**given: str) -> dict[str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LWM2M_ML_") and name not in {"COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"}
    }
    return clean | {"TERM": "xterm-256color"} | given


def on_terminal(arguments: list[str], **given: str) -> str:
    """What a Python program shows on a terminal of 80 columns, stdout and stderr."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=its, stdout=its, stderr=its, env=environment(**given)
    )
    os.close(its)
    shown = b""
    try:
        while True:
            shown += os.read(ours, 65_536)
    except OSError:  # Linux says so when the program has ended
        pass
    finally:
        os.close(ours)
    process.wait(timeout=60)
    return shown.decode().replace("\r\n", "\n")


def piped(arguments: list[str]) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=True).stdout


def width(line: str) -> int:
    """Cells of a line; the ideographs of the table above take two."""
    return len(line) + line.count("字")


def letters(text: str) -> Counter[str]:
    return Counter(character for character in text if not character.isspace())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_is_shown_fits_a_terminal_and_has_no_escape_codes_with_no_color(command: tuple[str, ...]) -> None:
    shown = on_terminal(["-m", "lwm2m_ml", *command], NO_COLOR="1")
    assert shown
    assert ESCAPE not in shown
    assert [line for line in shown.splitlines() if width(line) > COLUMNS] == []


def test_a_table_too_wide_for_the_terminal_is_folded_and_loses_nothing() -> None:
    shown = on_terminal(["-c", TABLE], NO_COLOR="1")
    wide = piped(["-c", TABLE])
    assert max(map(width, wide.splitlines())) > COLUMNS
    assert max(map(width, shown.splitlines())) <= COLUMNS
    assert letters(shown) == letters(wide)


def test_without_no_color_a_terminal_shows_the_head_of_a_table_bold_and_a_pipe_does_not() -> None:
    assert f"{ESCAPE}[1m" in on_terminal(["-c", TABLE])
    assert ESCAPE not in piped(["-c", TABLE])


def test_no_color_leaves_the_progress_bar_without_colour() -> None:
    assert f"{ESCAPE}[38;5;" in on_terminal(["-c", PROGRESS])
    shown = on_terminal(["-c", PROGRESS], NO_COLOR="1")
    assert "100%" in shown
    styles = [part.split("m")[0] for part in shown.split(f"{ESCAPE}[") if part.split("m")[0].replace(";", "").isdigit()]
    assert styles == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_with_the_script_that_is_shown() -> None:
    program = """
        script=$(lwm2m-ml --show-completion) || exit 1
        eval "$script"
        COMP_WORDS=(lwm2m-ml dev) COMP_CWORD=1
        _lwm2m_ml_completion lwm2m-ml
        printf '%s\\n' "$(complete -p lwm2m-ml)" "${COMPREPLY[@]}"
    """
    here = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-c", program],
        env=environment(PATH=f"{here}{os.pathsep}{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    registered, *offered = done.stdout.splitlines()
    assert registered.endswith("-F _lwm2m_ml_completion lwm2m-ml")
    assert sorted(offered) == ["device-types", "devices"]
