"""Handshakes between programs of others, recorded: what they sent must come out of our arithmetic, byte for byte.

`record_captures.py` made those of OpenSSL. That with connection ids is Leshan's client with our server; it was written
by `tests/interop/test_connection_ids.py`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lwm2m_ml.coap.dtls12 import SUITES, Record, Session, records
from lwm2m_ml.coap.dtls12.extensions import connection_id
from lwm2m_ml.coap.dtls12.fragments import Message, parse_fragments
from lwm2m_ml.coap.dtls12.hellos import ClientHello, ServerHello
from lwm2m_ml.coap.dtls12.key_schedule import (
    CLIENT_FINISHED,
    SERVER_FINISHED,
    Prf,
    extended_master_secret,
    key_block,
    psk_premaster,
    verify_data,
)
from lwm2m_ml.coap.dtls12.messages import ClientKeyExchange
from lwm2m_ml.coap.dtls12.numbers import APPLICATION_DATA, HANDSHAKE, Extension, HandshakeType
from lwm2m_ml.coap.dtls12.session import SessionKeys
from lwm2m_ml.coap.dtls12.suites import KEY_BLOCK_BYTES

CAPTURES = sorted((Path(__file__).parent / "captures").glob("*.json"))


@dataclass
class Heard:
    """A recorded handshake, followed by someone who knows the keys."""

    facts: dict[str, Any]
    transcript: bytes = b""
    until_key_exchange: bytes = b""
    hello: ClientHello | None = None
    answer: ServerHello | None = None
    told: ClientKeyExchange | None = None
    sealed: list[tuple[str, Record]] = field(default_factory=list)

    def follow(self) -> Heard:
        pieces: dict[tuple[str, int], bytes] = {}
        for who, text in self.facts["datagrams"]:
            for record in records(bytes.fromhex(text), self.cid_bytes(who)):
                if not record.is_plain:
                    self.sealed.append((who, record))
                elif record.type == HANDSHAKE:
                    for one in parse_fragments(record.content):
                        known = pieces.setdefault((who, one.sequence), b"")
                        pieces[who, one.sequence] = known + one.content
                        if len(pieces[who, one.sequence]) == one.length:
                            self.hear(Message(one.type, one.sequence, pieces[who, one.sequence]))
        return self

    def cid_bytes(self, who: str) -> int:
        """How long the ids are that the other side gave out."""
        source = self.answer if who == "client" else self.hello
        return 0 if source is None else len(connection_id(source.extensions) or b"")

    def hear(self, message: Message) -> None:
        if message.type == HandshakeType.CLIENT_HELLO:
            self.hello = ClientHello.parse(message.body)
            self.transcript = b""
        if message.type == HandshakeType.HELLO_VERIFY_REQUEST:
            return
        self.transcript += message.encode()
        if message.type == HandshakeType.SERVER_HELLO:
            self.answer = ServerHello.parse(message.body)
        if message.type == HandshakeType.CLIENT_KEY_EXCHANGE:
            assert self.answer is not None
            self.told = ClientKeyExchange.parse(message.body, SUITES[self.answer.suite].key_exchange)
            self.until_key_exchange = self.transcript


@pytest.fixture(params=CAPTURES, ids=lambda path: path.stem)
def heard(request: pytest.FixtureRequest) -> Heard:
    return Heard(json.loads(request.param.read_text())).follow()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.mark.parametrize("path", [path for path in CAPTURES if path.stem.startswith("psk")], ids=lambda path: path.stem)
def test_the_master_secret_is_the_one_in_the_key_log(path: Path) -> None:
    """That of an ephemeral key exchange cannot be made again."""
    heard = Heard(json.loads(path.read_text())).follow()
    assert heard.answer is not None
    assert Extension.EXTENDED_MASTER_SECRET in heard.answer.extensions
    premaster = psk_premaster(bytes.fromhex(heard.facts["key"]))
    made = extended_master_secret(premaster, sha256(heard.until_key_exchange))
    assert made.hex() == heard.facts["master_secret"]


def test_both_finished_and_what_was_said_can_be_opened(heard: Heard) -> None:
    assert heard.hello is not None
    assert heard.answer is not None
    if heard.facts.get("master_secret"):
        master = bytes.fromhex(heard.facts["master_secret"])
    else:
        premaster = psk_premaster(bytes.fromhex(heard.facts["key"]))
        master = extended_master_secret(premaster, sha256(heard.until_key_exchange))
    suite = SUITES[heard.answer.suite]
    keyed = Prf(master)
    block = key_block(keyed, heard.hello.random, heard.answer.random, KEY_BLOCK_BYTES)
    cids = {
        "client": connection_id(heard.answer.extensions) or b"",
        "server": connection_id(heard.hello.extensions) or b"",
    }
    readers = {
        who: Session(SessionKeys.of(suite, block, server=who == "client"), cids[who], b"")
        for who in ("client", "server")
    }
    transcript, said = heard.transcript, []
    finished = 0
    for who, record in heard.sealed:
        opened = readers[who].open(record)
        assert opened is not None, (who, record)
        kind, content, _ = opened
        if kind == HANDSHAKE:
            label = CLIENT_FINISHED if who == "client" else SERVER_FINISHED
            assert content[12:] == verify_data(keyed, label, sha256(transcript))
            transcript += content
            finished += 1
        elif kind == APPLICATION_DATA:
            said.append((who, content))
    assert finished == 2
    assert any(who == "client" and bytes.fromhex(heard.facts["said"]) in content for who, content in said)
