"""All of the input written first, while nobody reads the output.

## What it does
Reports the first `stdin.write(...)`, `stdin.writelines(...)` or `print(..., file=child.stdin)` on a handle with stdout
or stderr PIPE, where no reader is at work and all reading comes later: a read to the end, a wait, a poll loop or
`communicate()`.

Silent is the rule where writes and partial reads (`readline()`, `read(n)`) alternate, where a thread or task reads or
writes one side, where the output is no PIPE, and where what is written is a constant shorter than 512 bytes.

## What happens at run time
```sequence
title: Parent and child both write, and nobody reads.
process parent: Parent
pipe stdin: stdin
process child: Child
pipe stdout: stdout
parent starts child: Popen(stdin=PIPE, stdout=PIPE)
parent -> stdin: write the input
stdin -> child: a part of it
child -> stdout: answers
note stdout: full
child waits for stdout: write(), until somebody reads
note stdin: full, too
parent waits for stdin: write(), until the child reads
end: The parent would read the answers, but only after the write. Neither ever goes on.
```

1. The parent writes its data. The child reads some, answers, and goes on reading.
2. Nobody reads the answers. After 64 KiB the output pipe is full and the child's `write` blocks; it reads no more
   input.
3. The input pipe fills as well, and the parent's `write` blocks. It never gets to the line that reads.

Through `cat`, 190 KB still pass and 300 KB hang: two pipes and the buffer of the child. A `communicate()` after the
write comes too late, because the write is what blocks; given the data, it writes and reads at the same time.

## Example
```python
import subprocess


def format_source(source: str) -> str:
    formatter = subprocess.Popen(["clang-format"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    formatter.stdin.write(source)
    formatter.stdin.close()
    return formatter.stdout.read()
```

## Use instead
```python
import subprocess


def format_source(source: str) -> str:
    formatter = subprocess.Popen(["clang-format"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    output, _ = formatter.communicate(source)
    return output
```

or, shorter:

```python
import subprocess


def format_source(source: str) -> str:
    return subprocess.run(["clang-format"], input=source, capture_output=True, check=True, text=True).stdout
```

## Fix safety
If one statement writes everything, and right behind it stand at most a flush, a close and then `communicate()`, a wait
or a read to the end, the data becomes `communicate(input=...)`: safe, with one thing to know: `communicate()` ignores
the BrokenPipeError of a child that ends early, and its status tells. The fix is unsafe where an `except` waits for
that error, and where a loop writes, because the child gets all of it at the end of the loop.

Output that nothing in the file ever touches goes to DEVNULL instead (unsafe where a public name holds the handle). In
all other cases there is no fix: gather what is written, in order, into one argument, and leave the close to
`communicate()`, which raises ValueError after it (up to Python 3.13.0).

## When it is fine to ignore
When the child answers only after it has read all of its input and holds it in memory, as `sort` does with what fits, or
when the input is known to be shorter than a pipe.

## What it cannot see
- How much is written, and when the child answers.
- A reader that another file starts.

## References
- [`Popen.stderr`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.stderr), with the warning about
  `.stdin.write`
- [`Popen.communicate`](https://docs.python.org/3/library/subprocess.html#subprocess.Popen.communicate)
- [pipe(7)](https://man7.org/linux/man-pages/man7/pipe.7.html), "Pipe capacity"
- [PEP 324](https://peps.python.org/pep-0324/): the `subprocess` module and `communicate()`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flake8_forksafe import fixes
from flake8_forksafe.finding import Finding, Span
from flake8_forksafe.prefilter import may_use_pipes
from flake8_forksafe.rule import Rule
from flake8_forksafe.stdlib import words

if TYPE_CHECKING:
    from flake8_forksafe.model.events import Event
    from flake8_forksafe.model.module import ModuleModel
    from flake8_forksafe.model.values import Handle


def check(module: ModuleModel) -> Iterator[Finding]:
    """Report the first write of each handle that comes before any read of a piped output."""
    from flake8_forksafe.model.care import cares_for, either, ends, finishes, reads_from, writes

    for handle in module.handles:
        spawn = module.spawn(handle)
        stdin = spawn.pipe("stdin")
        if stdin is None:
            continue
        hits: dict[Event, str] = {}
        answers = [reads_from(stream, partly=True) for stream, _ in spawn.output_pipes()]
        for stream, setting in spawn.output_pipes():
            careful = either(cares_for(stream), ends, reads_from(stream))
            query = module.query(handle, writes("stdin", large=True), careful, stdin.facts | setting.facts, beyond=True)
            for write in module.exposed(query):
                done = either(finishes, module.pipes.polls_in_loop(handle, stream))
                if module.follows(write, done, unless=either(*answers, cares_for(stream, by_itself=True), ends)):
                    hits.setdefault(write, stream)
        if hits:
            first = min(hits, key=lambda e: (e.site.lineno, e.site.col_offset))
            yield _report(module, handle, first, hits[first])


def _report(module: ModuleModel, handle: Handle, write: Event, stream: str) -> Finding:
    created = module.created(handle)
    message = (
        f"everything is written to {module.pipe_name(write)} before anybody reads {stream}, a PIPE too "
        f"(line {created.span.line}): both sides block once it is full; pass the data to "
        f"{module.method_of(write, 'communicate(input=...)')}"
    )
    outputs = [name for name, _ in module.spawn(handle).output_pipes()]
    fix = fixes.stdin.pass_as_input(module, handle, write) or fixes.unread.discard_all(module, handle, outputs)
    return Finding(RULE.code, Span.of(write.site), message, (created,), fix)


RULE = Rule(
    "FRK106",
    "write-before-read",
    triggers=(("subprocess",), ("PIPE", "Popen", "create_subprocess"), ("write", "print")),
    names=(words.POPEN, words.PIPE),
    makers=words.POPEN,
    check=check,
    plausible=may_use_pipes,
)
