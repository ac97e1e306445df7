"""The journal of the control run: it writes its state over itself, without the step that makes a state count."""

from lwm2m_ml_simulator.memory.journal import Journal


class JournalWithoutCommit(Journal):
    """Erases the bank that counts and writes all records anew at each change; a cut between loses them all."""

    def put(self, key: int, value: bytes) -> None:
        """Make `value` the value of `key`, and hope."""
        if self.get(key) != value:
            self._generation = 0  # The bank in use is then written again, instead of the other one.
            self._write_snapshot(self._state | {key: value})
            self._state[key] = value
