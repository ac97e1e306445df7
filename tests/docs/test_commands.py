"""Every command that a document shows is run here, or by another test, or is checked and named with the reason.

One server and one fleet serve all of them: those of tests/cli/test_examples.py, with more files and devices.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import re
import shlex
import shutil
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from lwm2m_ml.cli.main import add_installed_commands, app
from lwm2m_ml.client.client import Client
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml_simulator.cli.command import app as simulator
from lwm2m_ml_simulator.device.device import SimulatedDevice
from lwm2m_ml_simulator.inputs.digits import load_digits_split
from tests.cli import test_examples
from tests.docs.documents import DOCS, DOCUMENTS, ROOT, Command, block, commands, inline_commands
from tests.docs.known_commands import MEANT, ONLY_CHECKED, RUN_AS, RUN_BY, RUN_DRY, TARGETS_OF_MINUTES

BOARD = dataclasses.replace(test_examples._mcu(), target=load_target("nrf52840"))
FLEET = (
    dataclasses.replace(BOARD, endpoint="nrf52840"),
    dataclasses.replace(BOARD, endpoint="meter-7"),
)
"""The devices that the documents speak of, beside those of docs/cli.md."""

installation = test_examples.installation
files = test_examples.files

add_installed_commands()

ALL = [command for document in DOCUMENTS for command in commands(document)]
OF_OURS = re.compile(r"(?:\S*/bin/)?lwm2m-(ml|sim) ")
OPTION = re.compile(r"^--?[a-z][a-z-]*$")


def ours(text: str) -> list[str]:
    """The words of a command of lwm2m-ml after its name; empty for others'."""
    return shlex.split(text, comments=False)[1:] if OF_OURS.match(f"{text} ") else []


def test_there_are_commands() -> None:
    assert len(ALL) > 200


def test_every_command_is_known() -> None:
    """What is no command of ours and no target of make has to be named with the reason."""
    known = ONLY_CHECKED.keys() | RUN_AS.keys()
    unknown = [
        str(command)
        for command in ALL
        if command.document not in RUN_BY
        and command.text not in known
        and not OF_OURS.match(f"{command.text} ")
        and not command.text.startswith(("make ", "python examples/frontend/"))
    ]
    assert unknown == []


def test_the_tables_name_nothing_that_is_gone() -> None:
    shown = {command.text for command in ALL}
    assert [text for text in (*ONLY_CHECKED, *RUN_AS) if text not in shown] == []
    assert [name for name in MEANT if not (ROOT / name).is_file()] == []
    assert [
        test for document, test in RUN_BY.items() if (ROOT / document).exists() and not (ROOT / test).exists()
    ] == []


def test_every_target_of_make_is_there_and_ci_runs_it_or_it_is_known_why_not() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.M))
    in_ci = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci" / "run").read_text("utf-8"), re.M))
    inline = [command for document in DOCUMENTS for command in inline_commands(document)]
    for command in [*ALL, *inline]:
        words = command.text.split()
        if words[0] != "make" or len(words) == 1:
            continue
        assert words[1] in targets, f"{command}: there is no such target"
        if command in ALL:
            known = words[1] in in_ci | TARGETS_OF_MINUTES.keys() or words[1].startswith("bench-")
            assert known, f"{command}: nobody runs it"


def leaf(words: list[str]) -> tuple[Any, list[str]]:
    """The command of the command line that words name, and the words behind its name."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("text", [text for text in ONLY_CHECKED if ours(text) and "|" not in text])
def test_what_is_not_run_is_read_by_the_real_command_line(text: str) -> None:
    command, words = leaf(ours(text))
    assert not hasattr(command, "commands")
    command.make_context(command.name, list(words))


def test_the_commands_in_sentences_have_names_and_options_that_there_are() -> None:
    """`lwm2m-ml keys new|list` stands for two, and words in capitals for anything."""
    for document in DOCUMENTS:
        for shown in inline_commands(document):
            if not shown.text.startswith(("lwm2m-ml ", ".venv/bin/lwm2m-ml ")):
                continue
            for words in _alternatives(re.sub(r"[\[\]…]", " ", shown.text).split()[1:]):
                _check_words(shown, words)


@pytest.mark.parametrize("text", [text for text in ONLY_CHECKED if ours(text) and "|" in text])
def test_each_command_of_a_synopsis_is_there(text: str) -> None:
    for words in _alternatives(ours(text)):
        _check_words(Command("", 0, text), words)


def _alternatives(words: list[str]) -> Iterator[list[str]]:
    for place, word in enumerate(words):
        if "|" in word and not OPTION.match(word):
            for one in word.split("|"):
                yield [*words[:place], one, *words[place + 1 :]]
            return
    yield words


def _check_words(shown: Command, words: list[str]) -> None:
    command, rest = leaf(words)
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options |= {"--help", "--install-completion", "--show-completion"}
    for word in rest:
        if OPTION.match(word):
            assert word in options, f"{shown}: {word} is no option"
    if rest and hasattr(command, "commands"):
        assert not rest[0][0].islower(), f"{shown}: {rest[0]} is no command"


class Values(test_examples.Values):
    """What `$NAME` stands for in the tables."""

    def __init__(self, client: Client, server: str, data: Path) -> None:
        super().__init__(client, server, data)
        self.update(DATA=str(data))

    def __missing__(self, name: str) -> str:
        look: dict[str, Callable[[], Any]] = {
            "CREDENTIAL": lambda: next(c.id for c in self._client.credentials("sensor-17") if c.kind == "psk"),
            "RESULT": lambda: test_examples._until(lambda: self._client.results("mcu"))[-1].number,
            "KEY": _retired_key,
        }
        return str(look[name]()) if name in look else super().__missing__(name)


def _retired_key() -> str:
    """The key that signed modules before the newest one."""
    keys = json.loads(test_examples.run("keys list --json"))
    return str(next(one["key_id"] for one in keys if one["purpose"] != "root"))


@pytest.fixture
def more_files(files: None, tmp_path: Path) -> None:
    """What the commands find in their directory, beside the files of the examples of docs/cli.md."""
    for name, source in (("meter.onnx", "digits-small.onnx"), ("inputs.npz", "calibration.npz")):
        shutil.copy(source, name)
    for name, document, language in (
        ("plan.toml", "campaigns.md", "toml"),
        ("federated.toml", "federated.md", "toml"),
        ("servers.json", "security.md", "json"),
        ("nodes.json", "scale.md", "json"),
        ("scenario.toml", "simulator.md", "toml"),
        ("my-board.toml", "write-a-target.md", "toml"),
    ):
        Path(name).write_text(block(DOCS / document, language))
    shutil.copytree(test_examples.SHIPPED.parent / "vibration", "vibration")
    card = Path("vibration", "card.toml")
    card.write_text(card.read_text("utf-8").replace('version = "1.0.0"', 'version = "1.1.0"'), "utf-8")
    Path("app.bin").write_bytes(bytes(0x20000))
    shutil.copy("credentials.csv", "fleet.csv")
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    Path("sensor.pem").write_bytes(public)
    Path("factory-ca.pem").write_bytes(_authority(key))
    (tmp_path / "work" / "examples").symlink_to(ROOT / "examples")


def _authority(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "factory")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.timeout(900)
async def test_every_command_works(installation: dict[str, str], more_files: None, tmp_path: Path) -> None:
    images = itertools.cycle(load_digits_split().test.images)
    anchor = await asyncio.to_thread(test_examples._trust_anchor, installation)
    async with contextlib.AsyncExitStack() as fleet:
        for board in FLEET:
            await fleet.enter_async_context(SimulatedDevice(board, installation["coap"], images, [anchor]))
        with Client(installation["api"], installation["token"]) as client:
            values = Values(client, installation["api"], tmp_path / "data")
            await asyncio.to_thread(_run_all, values, client)


def _run_all(values: Values, client: Client) -> None:
    test_examples._until(lambda: len(client.devices()) == len(FLEET) + 3)
    test_examples._until(lambda: all(client.device(board.endpoint).profile for board in FLEET))
    for line in (
        "models add meter.onnx --name meter --version 1.0.0 --calibration inputs.npz",
        "groups add sensors --filter target=cortex-m4f",
    ):
        test_examples.run(line)
    shutil.copytree(Path(values["DATA"]) / "keys", "keys-of-server")
    failures = []
    for command in ALL:
        if command.document not in RUN_BY and command.text not in ONLY_CHECKED:
            failures += [f"{command}: {why}" for line in _lines(command) if (why := _failure(line, values))]
    assert not failures, "\n".join(failures)


def _lines(command: Command) -> tuple[str, ...]:
    """What is run for a command; nothing for a target of make."""
    if command.text in RUN_AS:
        return RUN_AS[command.text]
    if command.text.startswith("make "):
        return ()
    line = f"{command.text} --dry-run" if command.text.startswith(RUN_DRY) else command.text
    for word, meaning in MEANT.get(command.document, {}).items():
        line = re.sub(rf"(?<![\w/-]){re.escape(word)}(?![\w.-])", meaning, line)
    return (re.sub(r"^\S*?(?:/bin/)?lwm2m-ml ", "", line),)


def _failure(line: str, values: Values) -> str:
    """Why a command did not work; empty when it did."""
    try:
        _run(string.Template(line).substitute(values))
    except (AssertionError, subprocess.CalledProcessError) as error:
        return str(error)
    return ""


def _run(line: str) -> None:
    if line.startswith("lwm2m-sim "):
        done = CliRunner().invoke(simulator, shlex.split(line)[1:])
        assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    elif line.startswith("python "):
        subprocess.run([sys.executable, *shlex.split(line)[1:]], check=True, timeout=100)
    else:
        test_examples.run(line)
