"""Coverage-guided fuzzing of DTLS with connection ids: `make fuzz-dtls`, or `python fuzz_dtls.py -runs=1000000`.

Arguments are libFuzzer's. It needs atheris: `pip install 'lwm2m-ml[fuzz]'`.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent))

with atheris.instrument_imports(include=["lwm2m_ml.coap.dtls12", "lwm2m_ml.coap.dtls_cid", "lwm2m_ml.coap.oscore"]):
    import mutations

WHOLE = mutations.Whole()


def one_input(data: bytes) -> None:
    mutations.play(data, WHOLE)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
