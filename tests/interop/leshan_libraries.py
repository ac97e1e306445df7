"""Eclipse Leshan's libraries, from Maven Central by `mvn`, once, and programs on them, compiled by `javac`.

Both are kept in the cache directory (`LWM2M_ML_CACHE`, else the user's).
"""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

LESHAN = "2.0.0-M15"
TOOLS = ("java", "javac", "mvn")
DOWNLOAD_SECONDS = 600

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>org.example</groupId><artifactId>interop</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.eclipse.leshan</groupId><artifactId>leshan-client-cf</artifactId><version>{LESHAN}</version>
    </dependency>
    <dependency>
      <groupId>org.eclipse.leshan</groupId><artifactId>leshan-server-cf</artifactId><version>{LESHAN}</version>
    </dependency>
  </dependencies>
</project>
"""
COPY = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"


class LeshanUnavailable(Exception):
    """A tool is missing, or Maven Central is out of reach; the message says which."""


def cache_directory() -> Path:
    """Where libraries and classes are kept."""
    chosen = os.environ.get("LWM2M_ML_CACHE")
    home = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "lwm2m-ml"
    directory = home / "interop" / f"leshan-{LESHAN}"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def classpath(sources: Sequence[Path]) -> str:
    """What `java -cp` wants, for programs of these sources. Raises LeshanUnavailable."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise LeshanUnavailable(f"{missing[0]} is not installed: a JDK of Java 11 or newer and Maven are needed")
    home = cache_directory()
    jars = _downloaded(home)
    return os.pathsep.join((str(_compiled(sources, home, jars)), f"{jars}{os.sep}*"))


def _downloaded(home: Path) -> Path:
    """The folder of Leshan's libraries."""
    jars = home / "jars"
    if not (home / "complete").exists():
        (home / "pom.xml").write_text(POM)
        done = _run(["mvn", "--batch-mode", "--quiet", "-f", str(home / "pom.xml"), COPY, f"-DoutputDirectory={jars}"])
        if done.returncode != 0:
            raise LeshanUnavailable(f"Maven Central did not give Leshan {LESHAN}: {done.stdout[-300:]}")
        (home / "complete").touch()
    return jars


def _compiled(sources: Sequence[Path], home: Path, jars: Path) -> Path:
    """The folder of the class files, compiled once for each state of the sources."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    classes = home / f"classes-{digest}"
    if not classes.exists():
        unfinished = home / f"classes-{digest}-{os.getpid()}"
        done = _run(["javac", "-cp", f"{jars}{os.sep}*", "-d", str(unfinished), *map(str, sources)])
        if done.returncode != 0:
            raise ValueError(done.stdout)
        unfinished.rename(classes)
    return classes


def _run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=DOWNLOAD_SECONDS,
        check=False,
    )
