"""What a peer brings along: tokens that nobody can guess."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lwm2m_ml.coap.remote import TOKEN_BYTES, TOKENS_DRAWN, random_token


def test_no_token_comes_twice_however_many_are_drawn() -> None:
    tokens = [random_token() for _ in range(3 * TOKENS_DRAWN)]
    assert {len(token) for token in tokens} == {TOKEN_BYTES}
    assert len(set(tokens)) == len(tokens)


FORKING = """
import os
from lwm2m_ml.coap.remote import random_token
random_token()
child = os.fork()
os.write(1, b"".join(b"%b " % random_token().hex().encode() for _ in range(100)))
if child:
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork")
def test_a_forked_process_draws_tokens_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True, text=True, timeout=60)
    tokens = done.stdout.split()
    assert len(tokens) == len(set(tokens)) == 200
