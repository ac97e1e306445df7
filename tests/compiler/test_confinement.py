"""What a confined process can still do: its own folder, Python's code, nothing else."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

_TRY = """
import ctypes, json, os, socket, subprocess, sys
from pathlib import Path
from lwm2m_ml.compiler.confinement import confine

folder, secret = Path(sys.argv[1]), sys.argv[2]
confine(folder)

def outcome(work):
    try:
        return str(work())
    except OSError as error:
        return type(error).__name__

tries = {
    "read of a stranger's file": lambda: open(secret).read(),
    "list of a stranger's folder": lambda: os.listdir(os.path.dirname(secret)),
    "write beside": lambda: open(secret + ".new", "w").write("x"),
    "link out": lambda: os.symlink(secret, folder / "link") or open(folder / "link").read(),
    "account file": lambda: open("/etc/passwd").read(),
    "socket": lambda: socket.socket(),
    "local socket": lambda: socket.socket(socket.AF_UNIX),
    "pair": lambda: socket.socketpair(),
    "program": lambda: subprocess.run([sys.executable, "-c", "pass"]),
    "shell": lambda: os.posix_spawn("/bin/sh", ["sh"], {}),
    "own file": lambda: (folder / "own").write_text("x"),
    "import": lambda: __import__("wave").__name__,
}
print(json.dumps({name: outcome(work) for name, work in tries.items()}))
"""


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"), reason="Linux only")
def test_confined_process_has_its_folder_and_nothing_else(tmp_path: Path) -> None:
    folder, stranger = tmp_path / "own", tmp_path / "stranger"
    folder.mkdir()
    stranger.mkdir()
    secret = stranger / "secret"
    secret.write_text("secret", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-P", "-c", _TRY, str(folder), str(secret)], capture_output=True, text=True, check=False
    )
    if "CannotConfine" in done.stderr:
        pytest.skip("this kernel confines nothing")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found.pop("own file"), found.pop("import")) == ("1", "wave")
    assert set(found.values()) == {"PermissionError"}, found
    assert not (stranger / "secret.new").exists()
