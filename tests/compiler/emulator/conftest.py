"""Assembles small programs and gives the emulator tests a cache of their own."""

from collections.abc import Callable, Iterator

import pytest

from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import compile_blob

Assemble = Callable[[str, str], bytes]

HEADS = {
    "thumb": ".syntax unified\n.thumb\n",
    "riscv32": "",
    "x86-64": ".intel_syntax noprefix\n",
    "aarch64": "",
}


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LWM2M_ML_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def assemble(cache_of_the_tests: None) -> Assemble:
    """Assemble a program for a target; its code begins at offset 0 of the blob."""

    def run(body: str, target_name: str) -> bytes:
        target = load_target(target_name)
        kind = ".thumb_func\n" if target.architecture == "thumb" else ""
        head = HEADS[target.architecture]
        text = (
            f'{head}.section .text.module_invoke,"ax"\n.global module_invoke\n'
            f".type module_invoke,%function\n{kind}module_invoke:\n{body}\n.size module_invoke, . - module_invoke\n"
        )
        return compile_blob({"program.S": text}, target).code

    return run
