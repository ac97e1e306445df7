"""The words that the compiler and the process of a backend share: names of files, kinds of failures."""

from dataclasses import dataclass

REQUEST_FILE = "request.pickle"
ANSWER_FILE = "answer.json"
ERROR_FILE = "error.json"
LOG_FILE = "log.txt"

REFUSED = "refused"
MEMORY = "memory"
DEFECT = "defect"


@dataclass(frozen=True, slots=True)
class WorkerError:
    """Why the process gives no answer."""

    kind: str
    message: str
    hint: str = ""
