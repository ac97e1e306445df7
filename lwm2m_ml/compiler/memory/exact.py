"""The smallest plan, by branch and bound with a budget of nodes.

Push every buffer of an optimal plan down as far as it goes: each then rests on the bottom or on a buffer that it meets.
So some order exists in which every buffer, put on top of those placed before it that it meets, gives that plan, with
offsets that never fall along the order. The search walks such orders and leaves those that cannot beat the best so far.
"""

from lwm2m_ml.compiler.memory.placement import height as plan_height
from lwm2m_ml.compiler.memory.problem import Problem

MAX_BUFFERS = 64


class Search:
    """One search; `offsets` is the best plan found, `complete` tells whether nothing smaller exists."""

    def __init__(self, problem: Problem, start: list[int], *, node_budget: int) -> None:
        self.offsets = start
        self.complete = False
        self._problem = problem
        self._best = plan_height(problem, start)
        self._budget = node_budget
        self._steps = sorted(problem.demand)
        self._spans = [
            [i for i, step in enumerate(self._steps) if b.first_use <= step <= b.last_use] for b in problem.buffers
        ]
        self._waiting = [problem.demand[step] for step in self._steps]
        self._placed: dict[int, int] = {}
        # Two buffers at the same offset may only differ in order when one is written over the other.
        self._ordered_ties = not problem.pairs

    def run(self) -> None:
        """Search until nothing is left or the budget is spent."""
        empty = [number for number, buffer in enumerate(self._problem.buffers) if not buffer.size]
        left = [number for number in range(len(self._problem.buffers)) if number not in set(empty)]
        for number in empty:
            self._placed[number] = 0
        self._descend(left, [0] * len(self._steps), last=(0, -1))
        self.complete = self._budget > 0 or self._best <= self._problem.lower_bound

    def _descend(self, left: list[int], tops: list[int], last: tuple[int, int]) -> None:
        if not left:
            self._best = plan_height(self._problem, found := [self._placed[n] for n in range(len(self._placed))])
            self.offsets = found
            return
        for offset, _, number in self._candidates(left, last):
            self._budget -= 1
            if self._budget <= 0 or self._best <= self._problem.lower_bound:
                return
            size = self._problem.buffers[number].size
            if offset + size >= self._best:
                continue
            raised = tops.copy()
            top = self._problem.rounded(offset + size)
            for step in self._spans[number]:
                raised[step] = max(raised[step], top)
                self._waiting[step] -= self._problem.rounded(size)
            if all(height + waiting < self._best for height, waiting in zip(raised, self._waiting, strict=True)):
                self._placed[number] = offset
                self._descend([n for n in left if n != number], raised, (offset, number))
                del self._placed[number]
            for step in self._spans[number]:
                self._waiting[step] += self._problem.rounded(size)

    def _candidates(self, left: list[int], last: tuple[int, int]) -> list[tuple[int, int, int]]:
        """The buffers that may come next, with their offsets: lowest first, then largest."""
        found = []
        for number in left:
            buffer = self._problem.buffers[number]
            offset = max(
                (
                    self._placed[other] + self._problem.room_above(other, number)
                    for other in self._problem.neighbours[number]
                    if other in self._placed
                ),
                default=0,
            )
            offset = -(-offset // buffer.alignment) * buffer.alignment
            if max(offset, last[0]) + buffer.size >= self._best:
                # Offsets only grow from here on, so no order from here places this buffer in time.
                return []
            if offset > last[0] or (offset == last[0] and (number > last[1] or not self._ordered_ties)):
                found.append((offset, -buffer.size, number))
        return sorted(found)
