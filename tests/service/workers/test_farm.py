"""A compile farm: equal work is done once, lost work again, and no work takes more time or memory than it may."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lwm2m_ml.errors import Lwm2mMlError, UnavailableError, UsageError
from lwm2m_ml.exposure import Certificates
from lwm2m_ml.service.workers.executor import WorkerFailed
from lwm2m_ml.service.workers.tasks import inspect_model
from lwm2m_ml_simulator.cluster.certificates import make_certificates
from lwm2m_ml_simulator.cluster.dask import Farm, compile_farm

pytest.importorskip("distributed", reason="the extra [cluster] is not installed")

from lwm2m_ml.service.workers.farm import CompileFarm, check_exposure

NONE = Certificates()
ALL = Certificates("ca.pem", "cert.pem", "key.pem")
SECONDS = 60.0


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    with compile_farm(2, tmp_path_factory.mktemp("farm")) as farm:
        yield farm


@pytest.fixture
async def farm(dask: Farm) -> AsyncIterator[CompileFarm]:
    farm = CompileFarm(dask.address, NONE, time_limit=SECONDS)
    yield farm
    await farm.stop()


@pytest.mark.parametrize(
    ("address", "certificates", "reason"),
    [
        ("tcp://farm.example:8786", NONE, "take programs from anyone"),
        ("tcp://192.0.2.1:8786", ALL, "take programs from anyone"),
        ("tls://farm.example:8786", NONE, "without certificates"),
        ("tls://127.0.0.1:8786", Certificates("ca.pem"), "without certificates"),
        ("farm.example:8786", ALL, "no address"),
        ("tls://farm.example", ALL, "no address"),
        ("inproc://x:1", ALL, "no address"),
    ],
)
def test_a_farm_that_others_could_send_programs_is_refused(
    address: str, certificates: Certificates, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        check_exposure(address, certificates)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("address", "certificates"),
    [("tcp://127.0.0.1:8786", NONE), ("tcp://[::1]:1", NONE), ("tls://farm.example:1", ALL)],
)
def test_this_machine_and_certificates_are_fine(address: str, certificates: Certificates) -> None:
    check_exposure(address, certificates)


async def test_work_is_done_on_the_farm_and_its_errors_come_back(farm: CompileFarm) -> None:
    assert await farm.run(len, "four", what="counting") == 4
    assert await farm.run(os.getpid, what="asking") != os.getpid()
    with pytest.raises(Lwm2mMlError, match="reading model x failed: "):
        await farm.run(inspect_model, b"not a model", what="reading model x")


async def test_what_two_nodes_ask_for_at_once_is_done_once(farm: CompileFarm, dask: Farm, tmp_path: Path) -> None:
    other = CompileFarm(dask.address, NONE)
    for number, node in enumerate((farm, other)):
        await node.run(range, number, what="connecting")
    script = ["sh", "-c", f"echo begun >> {tmp_path / 'log'}; sleep 1"]
    await asyncio.gather(*(node.run(subprocess.call, script, what="working") for node in (farm, other, farm)))
    assert (tmp_path / "log").read_text() == "begun\n"
    await other.stop()


async def test_work_that_takes_too_long_is_ended(dask: Farm) -> None:
    hurried = CompileFarm(dask.address, NONE, time_limit=0.5)
    with pytest.raises(WorkerFailed, match=r"compiling x took longer than 0\.5 s and was stopped"):
        await hurried.run(subprocess.call, ["sleep", "60"], what="compiling x")
    await hurried.stop()


async def test_work_that_takes_too_much_memory_is_ended(dask: Farm) -> None:
    small = CompileFarm(dask.address, NONE, time_limit=SECONDS, memory_limit=512 << 20)
    with pytest.raises(Lwm2mMlError, match="needs more memory than a worker may take"):
        await small.run(bytearray, 1 << 30, what="compiling x")
    await small.stop()


async def test_work_that_crashes_ends_no_worker(farm: CompileFarm) -> None:
    with pytest.raises(WorkerFailed, match="compiling x failed: the worker process died"):
        await farm.run(os._exit, 3, what="compiling x")
    assert await farm.run(len, "six", what="counting") == 3


async def test_a_farm_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lwm2m_ml.service.workers.farm.CONNECT_SECONDS", 0.5)
    nobody = CompileFarm("tcp://127.0.0.1:1", NONE)
    with pytest.raises(UnavailableError, match="does not answer"):
        await nobody.run(len, "", what="counting")
    await nobody.stop()


async def test_work_of_a_worker_that_is_lost_is_done_by_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with compile_farm(2, tmp_path) as dask:
        farm = CompileFarm(dask.address, NONE, time_limit=SECONDS)
        scripts = [["sh", "-c", f"echo {number} >> {log}; sleep 1.5; exit {number}"] for number in (1, 2)]
        work = asyncio.gather(*(farm.run(subprocess.call, each, what="working") for each in scripts))
        for _ in range(600):
            if log.exists() and len(log.read_text().split()) == 2:
                break
            await asyncio.sleep(0.1)
        dask.workers[0].kill()
        async with asyncio.timeout(SECONDS):
            assert await work == [1, 2]
        assert len(log.read_text().split()) == 3
        await farm.stop()


async def test_certificates_let_in_and_their_lack_keeps_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = make_certificates(tmp_path / "ours")
    with compile_farm(1, tmp_path, certificates) as dask:
        assert dask.address.startswith("tls://")
        farm = CompileFarm(dask.address, certificates, time_limit=SECONDS)
        assert await farm.run(len, "four", what="counting") == 4
        await farm.stop()
        monkeypatch.setattr("lwm2m_ml.service.workers.farm.CONNECT_SECONDS", 1.0)
        stranger = CompileFarm(dask.address, make_certificates(tmp_path / "theirs"))
        with pytest.raises(UnavailableError):
            await stranger.run(len, "four", what="counting")
        await stranger.stop()


def test_a_missing_extra_is_a_sentence() -> None:
    program = (
        "import sys; sys.modules['distributed'] = None\n"
        "from lwm2m_ml.errors import MissingExtraError\n"
        "try: import lwm2m_ml.service.workers.farm\n"
        "except MissingExtraError as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert "pip install 'lwm2m-ml[cluster]'" in said
