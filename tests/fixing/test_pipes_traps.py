"""The traps on the way to `communicate()`, DEVNULL, an earlier `get` and a bytes sentinel."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from flake8_forksafe import analysis, registry
from flake8_forksafe.finding import Finding
from flake8_forksafe.fix import Safety
from flake8_forksafe.fixing.engine import FixResult, fix_source
from flake8_forksafe.settings import Settings

#: The rules about pipes: other families' fixes have traps of their own.
RULES = [rule for rule in registry.rules().values() if rule.code.startswith("FRK10")]


def repair(code: str, *, unsafe: bool = True, target: tuple[int, int] = (3, 11)) -> FixResult:
    def check(data: bytes) -> list[Finding]:
        return analysis.check_source(data, filename="module.py", settings=Settings(target_version=target), rules=RULES)

    result = fix_source(textwrap.dedent(code).encode(), filename="module.py", check=check, unsafe=unsafe)
    assert not result.dropped
    return result


def fixed(code: str, *, unsafe: bool = True, target: tuple[int, int] = (3, 11)) -> str:
    return repair(code, unsafe=unsafe, target=target).data.decode()


def assert_left_alone(code: str, *, unsafe: bool = True, target: tuple[int, int] = (3, 11)) -> None:
    """Check that something is reported and nothing is written."""
    result = repair(code, unsafe=unsafe, target=target)
    assert result.left
    assert result.data.decode() == textwrap.dedent(code)


def safety(code: str) -> Safety:
    """The safety of the fixes of `code`, which must all have the same."""
    findings = analysis.check_source(
        textwrap.dedent(code).encode(),
        filename="module.py",
        settings=Settings(target_version=(3, 11)),
        rules=RULES,
    )
    (found,) = {f.fix.safety for f in findings if f.fix is not None}
    return found


def body(code: str) -> str:
    """The body of the function `f` of `code`, dedented."""
    return textwrap.dedent(code.partition("def f(")[2].partition("\n")[2]).strip()


def function(*lines: str, signature: str = "def f(cmd):", imports: str = "import subprocess") -> str:
    """A module with one function of the given lines."""
    return "\n".join([imports, "", "", signature, *(f"    {line}" for line in lines), ""])


POPEN = "p = subprocess.Popen([cmd], stdout=subprocess.PIPE)"
BOTH = "p = subprocess.Popen([cmd], stdout=subprocess.PIPE, stderr=subprocess.PIPE)"
TEXT = "p = subprocess.Popen([cmd], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)"
SHELL = "p = subprocess.Popen(cmd, shell=True, stdout=subprocess.PIPE)"
INPUT = "p = subprocess.Popen([cmd], stdin=subprocess.PIPE, stdout=subprocess.PIPE)"


# -- wait() in its forms -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            ["p.wait()", "return p.stdout.read()"],
            ["output, _ = p.communicate()", "return output"],
            id="bare",
        ),
        pytest.param(
            ["rc = p.wait()", "return rc, p.stdout.read()"],
            ["output, _ = p.communicate()", "rc = p.returncode", "return rc, output"],
            id="status kept",
        ),
        pytest.param(
            ["p.wait()", "out = p.stdout.read()", "return out"],
            ["out, _ = p.communicate()", "return out"],
            id="the name of the read is taken over",
        ),
        pytest.param(
            ["out = None", "p.wait()", "if p.returncode:", "    out = p.stdout.read()", "return out"],
            [
                "out = None",
                "output, _ = p.communicate()",
                "if p.returncode:",
                "    out = output",
                "return out",
            ],
            id="a name with another value on another path is not",
        ),
        pytest.param(
            ["if p.wait() != 0:", "    raise OSError(p.stdout.read())"],
            ["output, _ = p.communicate()", "if p.returncode != 0:", "    raise OSError(output)"],
            id="tested",
        ),
        pytest.param(
            ["return p.wait(), p.stdout.read()"],
            ["output, _ = p.communicate()", "return p.returncode, output"],
            id="returned with the output",
        ),
        pytest.param(
            ["p.wait(timeout=5)", "return p.stdout.read()"],
            ["output, _ = p.communicate(timeout=5)", "return output"],
            id="timeout by keyword",
        ),
        pytest.param(
            ["p.wait(5)", "return p.stdout.read()"],
            ["output, _ = p.communicate(timeout=5)", "return output"],
            id="timeout by position, where communicate() takes the input",
        ),
        pytest.param(
            ["p.wait()", "return p.communicate()[0]"],
            ["output, _ = p.communicate()", "return output"],
            id="a second communicate() would raise ValueError",
        ),
        pytest.param(
            ["p.wait()", "return p.communicate()"],
            ["output, errors = p.communicate()", "return (output, errors)"],
            id="both results of a second communicate()",
        ),
        pytest.param(
            ["while p.poll() is None:", "    time.sleep(1)", "return p.stdout.read()"],
            ["output, _ = p.communicate()", "return output"],
            id="poll loop",
        ),
        pytest.param(
            ["while (rc := p.poll()) is None:", "    time.sleep(1)", "return rc, p.stdout.read()"],
            ["output, _ = p.communicate()", "rc = p.returncode", "return rc, output"],
            id="poll loop that keeps the status",
        ),
    ],
)
def test_wait_becomes_communicate(before: list[str], after: list[str]) -> None:
    imports = "import subprocess\nimport time"
    assert fixed(function(POPEN, *before, imports=imports)) == function(POPEN, *after, imports=imports)


def test_await_wait_becomes_await_communicate() -> None:
    made = "p = await asyncio.create_subprocess_exec('a', stdout=asyncio.subprocess.PIPE)"
    signature, imports = "async def f():", "import asyncio"
    before = function(
        made, "rc = await p.wait()", "return rc, await p.stdout.read()", signature=signature, imports=imports
    )
    after = ["output, _ = await p.communicate()", "rc = p.returncode", "return rc, output"]
    assert fixed(before, unsafe=False) == function(made, *after, signature=signature, imports=imports)


def test_the_limit_around_an_awaited_wait_is_kept() -> None:
    made = "p = await asyncio.create_subprocess_exec('a', stdout=asyncio.subprocess.PIPE)"
    signature, imports = "async def f():", "import asyncio"
    before = function(
        made,
        "try:",
        "    await asyncio.wait_for(p.wait(), 3)",
        "except TimeoutError:",
        "    p.kill()",
        "    await p.communicate()",
        "    raise",
        "return await p.stdout.read()",
        signature=signature,
        imports=imports,
    )
    after = fixed(before, unsafe=False)
    assert "output, _ = await asyncio.wait_for(p.communicate(), 3)" in after
    assert after.endswith("    return output\n")


# -- grandchildren -----------------------------------------------------------------------------------------------------


def test_a_wait_for_a_shell_never_becomes_a_wait_for_its_grandchildren() -> None:
    assert_left_alone(function(SHELL, "rc = p.wait()", "if rc:", "    raise OSError(p.stdout.read())"))


def test_a_wait_for_a_shell_whose_output_is_read_anyhow_may() -> None:
    code = function(SHELL, "p.wait()", "return p.stdout.read()")
    assert body(fixed(code, unsafe=False)) == f"{SHELL}\noutput, _ = p.communicate()\nreturn output"


def test_a_longer_wait_is_unsafe() -> None:
    assert safety(function(POPEN, "if p.wait():", "    raise OSError(p.stdout.read())")) is Safety.UNSAFE
    assert safety(function(POPEN, "p.wait()", "return p.stdout.read()")) is Safety.SAFE


def test_a_read_that_only_some_paths_reach_leaves_the_wait_longer() -> None:
    assert safety(function(POPEN, "if p.wait():", "    return None", "return p.stdout.read()")) is Safety.UNSAFE


def test_text_that_nobody_decoded_can_fail_to_decode() -> None:
    assert safety(function(TEXT, "p.wait()", "return p.stdout.read()")) is Safety.UNSAFE
    assert safety(function(BOTH, "p.wait()", "return p.stdout.read()")) is Safety.SAFE


# -- output that is thrown away ----------------------------------------------------------------------------------------


def test_output_that_nobody_touches_goes_to_devnull_even_from_a_shell() -> None:
    code = function(SHELL, "return p.wait()")
    assert fixed(code, unsafe=False) == code.replace("subprocess.PIPE", "subprocess.DEVNULL")


def test_an_open_stdin_must_not_be_the_next_hazard() -> None:
    after = fixed(function(INPUT, "return p.wait()"), unsafe=False)
    assert "stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL" in after
    after = fixed(function(INPUT, "p.stdin.write(b'x')", "return p.wait()"))
    assert "    p.communicate()\n    return p.returncode" in after


def test_devnull_is_spelled_as_pipe_is() -> None:
    made = "p = await asyncio.create_subprocess_exec('a', stdout=asyncio.subprocess.PIPE)"
    code = function(made, "await p.wait()", signature="async def f():", imports="import asyncio")
    assert fixed(code) == code.replace("subprocess.PIPE", "subprocess.DEVNULL")


def test_devnull_would_take_the_pipe_from_whoever_gets_the_handle() -> None:
    code = function(BOTH, "p.wait()", "return p")
    assert "DEVNULL" not in fixed(code)


def test_devnull_would_make_a_pipe_none_that_is_looked_at() -> None:
    assert "DEVNULL" not in fixed(function(POPEN, "p.wait()", "p.stdout.close()"))


def test_devnull_behind_a_public_attribute_is_unsafe() -> None:
    code = """\
        import subprocess


        class Server:
            def start(self):
                self.{name} = subprocess.Popen(["server"], stdout=subprocess.PIPE)

            def join(self):
                self.{name}.wait()
        """
    assert safety(code.format(name="process")) is Safety.UNSAFE
    assert safety(code.format(name="_process")) is Safety.SAFE


def test_a_pipe_of_a_shared_dict_is_not_changed_for_others() -> None:
    code = """\
        import subprocess

        QUIET = {"stdout": subprocess.PIPE}


        def f(cmd):
            subprocess.Popen([cmd], **QUIET).wait()


        def g(cmd):
            return subprocess.run([cmd], **QUIET).stdout
        """
    assert "DEVNULL" not in fixed(code)


def test_call_with_a_pipe_in_one_branch() -> None:
    code = function("return subprocess.call([cmd], stdout=subprocess.PIPE if cmd else None)")
    assert fixed(code, unsafe=False) == code.replace("PIPE", "DEVNULL")


# -- the reader's buffer, closed pipes, second reads -------------------------------------------------------------------


def test_after_readline_one_pipe_keeps_what_sat_in_the_buffer() -> None:
    code = function(POPEN, "first = p.stdout.readline()", "p.wait()", "return first, p.stdout.read()")
    assert "output, _ = p.communicate()" in fixed(code)


@pytest.mark.parametrize(
    ("made", "wait"),
    [(BOTH, "p.wait()"), (POPEN, "p.wait(timeout=5)"), (INPUT, "p.wait()")],
    ids=["two pipes", "timeout", "stdin"],
)
def test_after_readline_communicate_can_lose_what_sat_in_the_buffer(made: str, wait: str) -> None:
    errors = ", p.stderr.read()" if made is BOTH else ""
    code = function(made, "first = p.stdout.readline()", wait, f"return first, p.stdout.read(){errors}")
    assert "communicate" not in fixed(code)


def test_what_is_lost_matters_to_nobody_where_nobody_reads_on() -> None:
    code = function(POPEN, "first = p.stdout.readline()", "p.wait(timeout=5)", "return first")
    assert "p.communicate(timeout=5)" in fixed(code)


def test_a_pipe_that_is_read_in_another_place_stays_open() -> None:
    assert_left_alone(
        """\
        import subprocess


        class Job:
            def __init__(self, cmd):
                self._p = subprocess.Popen([cmd], stdout=subprocess.PIPE)

            def wait(self):
                self._p.wait()

            def output(self):
                return self._p.stdout.readline()
        """
    )


def test_a_handle_that_escapes_keeps_its_pipes() -> None:
    assert_left_alone(function(POPEN, "p.wait()", "archive(p)"))


def test_a_pipe_that_is_handed_on_stays_open() -> None:
    assert_left_alone(function(POPEN, "p.wait()", "return parse(p.stdout)"))


def test_a_pipe_that_is_read_twice_gives_nothing_the_second_time() -> None:
    assert_left_alone(function(POPEN, "p.wait()", "print(p.stdout.read())", "return p.stdout.read()"))


def test_a_comprehension_takes_what_a_later_read_does_not_get() -> None:
    code = function(BOTH, "p.wait()", "print([x for x in p.stderr])", "return p.stderr.read()")
    assert "io.BytesIO" not in fixed(code)


def test_two_hazards_of_one_child_do_not_both_become_communicate() -> None:
    code = function(BOTH, "err = p.stderr.read()", "print(err)", "if p.wait() != 0:", "    print('bad')")
    assert fixed(code).count("communicate()") == 1


def test_a_pipe_closed_before_communicate_gave_nothing() -> None:
    assert_left_alone(function(BOTH, "p.wait()", "p.stderr.close()", "return p.communicate()"))


def test_a_with_statement_cannot_open_a_closed_pipe() -> None:
    assert_left_alone(function(POPEN, "p.wait()", "with p.stdout:", "    return p.stdout.read()"))


def test_a_wait_in_a_loop_over_one_child_is_not_a_second_communicate() -> None:
    code = function(
        POPEN,
        "while True:",
        "    try:",
        "        p.wait(timeout=1)",
        "        break",
        "    except subprocess.TimeoutExpired:",
        "        print('.')",
        "return p.stdout.read()",
    )
    assert "communicate" not in fixed(code)


def test_a_child_made_anew_in_each_round_is() -> None:
    code = function(
        "for name in cmd:",
        "    p = subprocess.Popen([name], stdout=subprocess.PIPE)",
        "    p.wait()",
        "    print(p.stdout.read())",
    )
    assert "output, _ = p.communicate()\n        print(output)" in fixed(code, unsafe=False)


def test_a_name_bound_to_another_child_is_not_this_one() -> None:
    code = function(
        POPEN, "p.wait()", "p = subprocess.Popen(['b'], stdout=subprocess.PIPE)", "return p.communicate()[0]"
    )
    assert "return p.communicate()[0]" in fixed(code)


def test_the_handler_of_a_timeout_may_retry_communicate() -> None:
    code = function(
        POPEN,
        "try:",
        "    p.wait(timeout=5)",
        "except subprocess.TimeoutExpired:",
        "    p.kill()",
        "    out, _ = p.communicate()",
        "    raise OSError(out)",
        "return p.stdout.read()",
    )
    after = fixed(code, unsafe=False)
    assert "    output, _ = p.communicate(timeout=5)\n" in after
    assert "        out, _ = p.communicate()\n" in after
    assert after.endswith("    return output\n")


def test_a_handler_that_reads_would_miss_what_communicate_took() -> None:
    assert_left_alone(
        function(
            POPEN,
            "try:",
            "    p.wait(timeout=5)",
            "except subprocess.TimeoutExpired:",
            "    p.kill()",
            "    raise OSError(p.stdout.read())",
            "return p.stdout.read()",
        )
    )


def test_a_handler_that_goes_on_leaves_the_result_without_a_value() -> None:
    assert_left_alone(
        function(
            POPEN,
            "try:",
            "    p.wait(timeout=5)",
            "except subprocess.TimeoutExpired:",
            "    p.kill()",
            "return p.stdout.read()",
        )
    )


def test_no_second_communicate_in_a_handler_may_bring_input() -> None:
    code = function(
        INPUT,
        "try:",
        "    p.wait(timeout=5)",
        "except subprocess.TimeoutExpired:",
        "    p.communicate(b'q')",
        "    raise",
        "return p.stdout.read()",
    )
    assert "p.wait(timeout=5)" in fixed(code)


def test_a_name_that_an_earlier_round_left_keeps_its_value() -> None:
    code = function(
        "for name in cmd:",
        "    p = subprocess.Popen([name], stdout=subprocess.PIPE)",
        "    if p.wait():",
        "        failure = p.stdout.read()",
        "return failure",
    )
    assert "        failure = output\n" in fixed(code)


def test_an_assertion_reads_only_when_it_fails() -> None:
    assert safety(function(POPEN, "assert p.wait() == 0, p.stdout.read()")) is Safety.UNSAFE
    assert safety(function(POPEN, "assert p.wait() == 0", "return p.stdout.read()")) is Safety.UNSAFE


def test_parts_of_a_text_on_many_lines_have_no_certain_place() -> None:
    assert_left_alone(function(POPEN, 'return f"""', '{p.stdout.read()}"""'))
    assert "{p.communicate()[0]}" in fixed(function(POPEN, 'return f"{p.stdout.read()}"'))


def test_a_comparison_the_other_way_round_is_left_alone() -> None:
    assert_left_alone(function(POPEN, "while None is p.poll():", "    pass", "return p.stdout.read()"))


def test_a_lambda_has_no_statements() -> None:
    assert_left_alone(function(POPEN, "return run(lambda: p.wait() or p.stdout.read())"))


def test_an_elif_has_no_place_in_front_of_it() -> None:
    code = function(
        POPEN, "if cmd == 'a':", "    p.kill()", "    p.wait()", "elif p.wait():", "    print(p.stdout.read())"
    )
    assert_left_alone(code)


def test_what_comes_before_the_wait_in_its_statement_stays_before_it() -> None:
    assert_left_alone(function(POPEN, "print(stamp(), p.wait())", "return p.stdout.read()"))


def test_statements_that_share_a_line_are_left_alone() -> None:
    assert_left_alone(function(POPEN, "p.wait(); return p.stdout.read()"))


# -- lines -------------------------------------------------------------------------------------------------------------


def test_readlines_ends_lines_where_the_pipe_did() -> None:
    after = fixed(
        function(TEXT, "lines = p.stdout.readlines()", "errors = p.stderr.readlines()", "return lines, errors")
    )
    assert "lines = io.StringIO(output).readlines()" in after
    assert "import io" in after


def test_readlines_of_an_unknown_mode_are_left_alone() -> None:
    made = "p = subprocess.Popen([cmd], stdout=subprocess.PIPE, stderr=None, text=mode)"
    assert_left_alone(function(made, "return p.stdout.readlines()", signature="def f(cmd, mode):"))


def test_lines_that_are_wanted_as_they_come_are_left_alone() -> None:
    assert_left_alone(function(BOTH, "for line in p.stdout:", "    print(line)", "return p.stderr.read(), p.wait()"))


def test_the_sibling_of_a_loop_goes_to_devnull_if_nobody_reads_it() -> None:
    after = fixed(function(BOTH, "for line in p.stdout:", "    print(line)", "return p.wait()"), unsafe=False)
    assert "stdout=subprocess.PIPE, stderr=subprocess.DEVNULL" in after


# -- reads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "before", "after"),
    [
        pytest.param(
            BOTH,
            ["out = p.stdout.read()", "err = p.stderr.read()", "p.wait()", "return out, err"],
            ["out, err = p.communicate()", "return out, err"],
            id="two reads and a wait",
        ),
        pytest.param(
            BOTH,
            ["err = p.stderr.read()", "out = p.stdout.read()", "return p.wait(), out, err"],
            ["out, err = p.communicate()", "return p.wait(), out, err"],
            id="errors first, the wait gives the status at once",
        ),
        pytest.param(
            BOTH,
            ["text = p.stdout.read().decode()", "if p.wait():", "    raise OSError(p.stderr.read())", "return text"],
            [
                "output, errors = p.communicate()",
                "text = output.decode()",
                "if p.wait():",
                "    raise OSError(errors)",
                "return text",
            ],
            id="a read inside an expression",
        ),
        pytest.param(
            POPEN, ["out = p.stdout.read()", "return out"], ["out, _ = p.communicate()", "return out"], id="one"
        ),
        pytest.param(POPEN, ["return p.stdout.read()"], ["return p.communicate()[0]"], id="returned"),
        pytest.param(
            POPEN, ["p.stdout.read()", "p.wait()", "return 1"], ["p.communicate()", "return 1"], id="for nothing"
        ),
    ],
)
def test_reads_become_communicate(made: str, before: list[str], after: list[str]) -> None:
    assert fixed(function(made, *before), unsafe=False) == function(made, *after)


def test_a_status_that_nobody_had_asked_for_was_none() -> None:
    assert safety(function(POPEN, "out = p.stdout.read()", "return out, p.returncode")) is Safety.UNSAFE
    assert safety(function(POPEN, "out = p.stdout.read()", "p.wait()", "return out, p.returncode")) is Safety.SAFE


def test_no_second_pipe_goes_to_devnull_if_the_first_is_then_read_to_its_end_alone() -> None:
    assert "DEVNULL" not in fixed(function(BOTH, "first = p.stdout.read()", "return first, p.stdout.read()"))


def test_a_chain_without_a_name() -> None:
    code = "import subprocess\n\nv = subprocess.Popen(['a', '-v'], stdout=subprocess.PIPE).stdout.read()\n"
    after = 'v = subprocess.Popen(["a", "-v"], stdout=subprocess.PIPE).communicate()[0]'
    assert after in fixed(code, unsafe=False)


def test_underscore_is_gettext_where_the_module_calls_it() -> None:
    code = "from gettext import gettext as _\n" + function(POPEN, "out = p.stdout.read()", "return _('x'), out")
    assert "out = p.communicate()[0]" in fixed(code)


def test_a_name_in_use_is_not_taken() -> None:
    code = function(BOTH, "output = []", "p.wait()", "output.append(p.stdout.read())", "return output")
    assert "stdout, _ = p.communicate()\n    output.append(stdout)" in fixed(code)


def test_a_class_with_its_own_communicate_is_left_alone() -> None:
    assert_left_alone(
        """\
        import subprocess


        class Child(subprocess.Popen):
            def communicate(self, input=None, timeout=None):
                raise NotImplementedError


        def f(cmd):
            return Child([cmd], stdout=subprocess.PIPE).stdout.read()


        def g(cmd):
            p = Child([cmd], stdout=subprocess.PIPE)
            return p.stdout.read()
        """
    )


# -- stdin -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            ["p.stdin.write(data)", "out, _ = p.communicate()", "return out"],
            ["out, _ = p.communicate(input=data)", "return out"],
            id="before communicate",
        ),
        pytest.param(
            ["p.stdin.write(data)", "p.stdin.close()", "out = p.stdout.read()", "p.wait()", "return out"],
            ["out, _ = p.communicate(input=data)", "return out"],
            id="closed: communicate() after a close raises ValueError up to 3.13.0",
        ),
        pytest.param(
            ["p.stdin.write(data)", "p.stdin.flush()", "out, _ = p.communicate(timeout=3)", "return out"],
            ["out, _ = p.communicate(timeout=3, input=data)", "return out"],
            id="with a timeout",
        ),
        pytest.param(
            ["p.stdin.writelines(data)", "return p.communicate()[0]"],
            ['return p.communicate(input=b"".join(data))[0]'],
            id="lines",
        ),
        pytest.param(
            ["for row in data:", "    p.stdin.write(row + b'\\n')", "p.stdin.close()", "return p.stdout.read()"],
            ['output, _ = p.communicate(input=b"".join(row + b"\\n" for row in data))', "return output"],
            id="a loop of nothing but the write",
        ),
    ],
)
def test_the_only_write_becomes_the_input(before: list[str], after: list[str]) -> None:
    signature = "def f(cmd, data):"
    assert fixed(function(INPUT, *before, signature=signature)) == function(INPUT, *after, signature=signature)


@pytest.mark.parametrize(
    "lines",
    [
        ["p.stdin.write(cmd)", "p.stdin.write(cmd)", "return p.communicate()[0]"],
        ["p.stdin.write(cmd)", "cmd = None", "return p.communicate()[0]"],
        ["p.stdin.write(cmd)", "return p.communicate(b'x')[0]"],
        ["for row in cmd:", "    p.stdin.write(row)", "print(row)", "return p.communicate()[0]"],
    ],
    ids=["two writes", "the data changes", "other input", "the loop's name is used later"],
)
def test_other_input_is_left_alone(lines: list[str]) -> None:
    assert_left_alone(function(INPUT, *lines))


def test_an_except_for_the_broken_pipe_would_never_run() -> None:
    code = function(
        INPUT,
        "try:",
        "    p.stdin.write(cmd)",
        "    return p.communicate()[0]",
        "except BrokenPipeError:",
        "    return None",
    )
    assert safety(code) is Safety.UNSAFE


def test_a_wait_closes_stdin_by_communicate() -> None:
    made = "p = subprocess.Popen([cmd], stdin=subprocess.PIPE)"
    after = fixed(function(made, "p.stdin.write(b'x')", "return p.wait()"), unsafe=False)
    assert body(after) == f"{made}\np.stdin.write(b'x')\np.communicate()\nreturn p.returncode"


def test_asyncio_leaves_stdin_open_in_communicate_before_python_3_12() -> None:
    made = "p = await asyncio.create_subprocess_exec('a', stdin=asyncio.subprocess.PIPE)"
    code = function(made, "return await p.wait()", signature="async def f():", imports="import asyncio")
    assert "p.stdin.close()\n    return await p.wait()" in fixed(code, unsafe=False)
    assert "communicate" in fixed(code, unsafe=False, target=(3, 12))


def test_a_close_in_front_of_a_loop_flushes_what_was_written_and_can_raise() -> None:
    write, loop = "p.stdin.write(b'x')", ["for line in p.stdout:", "    print(line)"]
    assert safety(function(INPUT, write, *loop)) is Safety.UNSAFE
    assert safety(function(INPUT, write, "p.stdin.flush()", *loop)) is Safety.SAFE


def test_a_communicate_further_on_would_meet_a_closed_stdin() -> None:
    assert_left_alone(function(INPUT, "for line in p.stdout:", "    print(line)", "p.communicate()"))


# -- queues ------------------------------------------------------------------------------------------------------------

WORKER = """\
import multiprocessing


def work(queue):
    queue.put([0] * 100_000)


def f():
    queue = multiprocessing.Queue()
    p = multiprocessing.Process(target=work, args=(queue,))
    p.start()
"""


def worker(*lines: str) -> str:
    return WORKER + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            ["p.join()", "value = queue.get()", "return value"],
            ["value = queue.get()", "p.join()", "return value"],
            id="bound",
        ),
        pytest.param(
            ["p.join()", "return queue.get()"], ["result = queue.get()", "p.join()", "return result"], id="returned"
        ),
        pytest.param(
            ["p.join(30)", "a = queue.get()", "b = queue.get()", "return a, b"],
            ["a = queue.get()", "b = queue.get()", "p.join(30)", "return a, b"],
            id="every get of a child that puts twice",
        ),
        pytest.param(
            ["p.join()", "for _ in range(3):", "    print(queue.get())"],
            ["for _ in range(3):", "    print(queue.get())", "p.join()"],
            id="a loop of gets",
        ),
    ],
)
def test_get_comes_before_join(before: list[str], after: list[str]) -> None:
    assert fixed(worker(*before), unsafe=False) == worker(*after)


@pytest.mark.parametrize(
    "lines",
    [
        ["p.join()", "if p.exitcode:", "    raise OSError", "return queue.get()"],
        ["p.join()", "while not queue.empty():", "    print(queue.get())"],
        ["p.join()", "return queue.get(timeout=1)"],
        ["p.join()", "a = queue.get()", "if a:", "    return queue.get()"],
        ["p.join(5)", "p.terminate()", "return queue.get()"],
        ["try:", "    print(1)", "finally:", "    p.join()", "return queue.get()"],
    ],
    ids=["exit status", "empty() is a race", "a get that gives up", "as often as the child puts", "signal", "finally"],
)
def test_other_orders_of_get_and_join_are_left_alone(lines: list[str]) -> None:
    result = repair(worker(*lines))
    assert "FRK107" in {f.code for f in result.left}
    assert result.data.decode() == worker(*lines)


# -- sentinels ---------------------------------------------------------------------------------------------------------


def test_every_comparison_of_the_loop_gets_the_right_type() -> None:
    code = function(
        POPEN,
        "while True:",
        "    line = p.stdout.readline()",
        "    if line == '':",
        "        break",
        "    if line != '':",
        "        print(line)",
        "p.wait()",
    )
    after = fixed(code, unsafe=False)
    assert 'if line == b"":' in after
    assert 'if line != b"":' in after


def test_a_text_literal_of_another_comparison_stays() -> None:
    code = function(POPEN, "for line in iter(p.stdout.readline, ''):", "    print('' + repr(line))", "p.wait()")
    assert fixed(code, unsafe=False) == code.replace("readline, ''", 'readline, b""')


# -- the same result when they run -------------------------------------------------------------------------------------

CHILD = r"""
import sys
sys.stdout.buffer.write(b"one\x0ctwo\r\nthree\rfour\xe2\x80\xa8five\nsix")
sys.stderr.write("warning\n")
sys.exit(3)
"""
RUNS = {
    "readlines of text": [TEXT, "print([*map(ascii, p.stdout.readlines())], p.stderr.readlines(), p.wait())"],
    "readlines of bytes": [BOTH, "out, err = p.stdout.readlines(), p.stderr.readlines()", "print(out, err, p.wait())"],
    "a comprehension": [TEXT, "print(ascii([line for line in p.stdout]))", "print(p.stderr.read(), p.wait())"],
    "wait, then both": [BOTH, "rc = p.wait()", "print(rc, p.stdout.read(), p.stderr.read())"],
    "wait with a limit": [BOTH, "p.wait(timeout=30)", "print(p.stdout.read(), p.stderr.read(), p.returncode)"],
    "wait, then lines": [TEXT, "p.wait()", "for line in p.stdout:", "    print(ascii(line))", "print(p.stderr.read())"],
    "a poll loop": [POPEN, "while p.poll() is None:", "    time.sleep(0.01)", "print(p.returncode, p.stdout.read())"],
    "a status that is tested": [BOTH, "if p.wait() != 0:", "    print(p.stderr.read())", "print(p.stdout.read())"],
    "one read": [POPEN, "print(p.stdout.read(), p.wait())"],
    "a close afterwards": [BOTH, "p.wait()", "print(p.stdout.read(), p.stderr.read())", "p.stdout.close()"],
}


@pytest.mark.parametrize("lines", RUNS.values(), ids=RUNS)
def test_the_fixed_program_prints_the_same(lines: list[str], tmp_path: Path) -> None:
    made = lines[0].replace("[cmd]", "[sys.executable, 'child.py']")
    before = function(made, *lines[1:], signature="def f():", imports="import subprocess\nimport sys\nimport time")
    before += "\n\nf()\n"
    after = fixed(before)
    assert after != before
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    first, second = (
        subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        ).stdout
        for code in (before, after)
    )
    assert first == second
    assert first
