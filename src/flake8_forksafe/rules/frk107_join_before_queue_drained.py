"""A join of a worker process before the parent takes what the worker has put on a queue.

## What it does
Reports `Process.join()`, with a timeout too, if the child's target (or `run`) puts on a `multiprocessing` `Queue`,
`JoinableQueue` or `SimpleQueue`, or one of a context, and the parent's first `get()` from that queue comes after the
join.

## What happens at run time
```sequence
title: The parent waits for the child, the child for its feeder thread, the feeder for a reader.
process parent: Parent
pipe queue: Queue
thread feeder: Feeder of the child
process child: Child
parent starts child: Process.start()
child starts feeder: put(answer)
feeder -> queue: write 64 KiB
note queue: full
feeder waits for queue: write(), until somebody reads
child waits for feeder: the exit joins the feeder
parent waits for child: join(), until the child ends
end: The parent would get() the answer, but only after the join. None ever goes on.
```

1. `put()` returns at once: a thread of the child, the feeder, writes the pickled object into a pipe.
2. A pipe holds 64 KiB. With one big object, or many small ones, the feeder blocks until somebody reads.
3. At its end the child waits for the feeder, so it does not exit.
4. The parent stands in `join()` and waits for the child to exit. It would read the queue afterwards. Neither moves
   again.

With results of a few bytes it works, so the hang comes with the first large input. A `SimpleQueue` has no feeder:
there `put()` itself blocks. `join(timeout)` gives up after the timeout and the child still hangs.
`cancel_join_thread()` is no cure, because it throws the data away; and a loop `while not queue.empty()` before the
join is a race, because a child that has not begun to write leaves the queue empty.

## Example
```python
import multiprocessing


def solve(problem, answers):
    answers.put([value * value for value in problem])


def run(problem):
    answers = multiprocessing.Queue()
    solver = multiprocessing.Process(target=solve, args=(problem, answers))
    solver.start()
    solver.join()
    return answers.get()
```

## Use instead
First take what the child puts, then join it:

```python
import multiprocessing


def solve(problem, answers):
    answers.put([value * value for value in problem])


def run(problem):
    answers = multiprocessing.Queue()
    solver = multiprocessing.Process(target=solve, args=(problem, answers))
    solver.start()
    answer = answers.get()
    solver.join()
    return answer
```

A `get()` from a child that has died waits for ever, too; where that can happen, give it a timeout and look at
`solver.is_alive()` in between. `concurrent.futures.ProcessPoolExecutor` does all this by itself.

## Fix safety
The `get()` calls move in front of the join, or the join behind a loop of them: safe, because a child that dies before
its `put()` makes the `get()` wait for ever in either order. Nothing is written where code between them looks at
`exitcode`, `is_alive()` or `empty()` or leaves, because a child that failed puts nothing; where a `get()` has a
timeout, which would begin too early; and where not all gets can move together.

## When it is fine to ignore
When what all children together put is certain to stay below the capacity of a pipe for ever: a flag, a number.

## What it cannot see
- How much the child puts.
- Targets and queues that are made in other files, and `put` by code out of sight.
- A `multiprocessing.Pipe`, which blocks the same way.

## References
- [Joining processes that use queues](https://docs.python.org/3/library/multiprocessing.html#programming-guidelines)
- [Pipes and queues](https://docs.python.org/3/library/multiprocessing.html#pipes-and-queues), the warnings
- [gh-73983](https://github.com/python/cpython/issues/73983): the deadlock, reported and explained
- [gh-87971](https://github.com/python/cpython/issues/87971): a `get()` from a process that has died
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.module import ModuleModel


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report each join that stands before the first get from a queue its child puts on."""
    for handle in module.handles:
        for early in module.queues.early_joins(handle):
            name = module.name_of(early.join)
            outcome = "only time out" if early.join.timed else "never end"
            message = (
                f"this join() may {outcome}: {name} cannot exit until what it put on the queue (line "
                f"{early.put.site.lineno}) has been read; move the get() of line {early.get.site.lineno} before the "
                f"join"
            )
            places = (module.created(handle), *early.places)
            yield Finding(
                RULE.code, Span.of(early.join.site), message, places, fixes.queues.get_before_join(module, early)
            )


RULE = Rule(
    "FRK107",
    "join-before-queue-drained",
    triggers=(
        ("multiprocess", "billiard"),
        words.PROCESS_TEXTS,
        ("Queue",),
        (".join",),
        ("put",),
        ("get",),
    ),
    names=(words.WORKER, frozenset({"Queue", "JoinableQueue", "SimpleQueue"})),
    makers=words.WORKER | words.QUEUE,
    check=check,
)
