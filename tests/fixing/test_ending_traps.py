"""The traps on the way to SIGKILL, to a wait behind it and to `killpg`: what is written, and where nothing is."""

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

RULES = [rule for rule in registry.rules().values() if rule.code.startswith("FRK50") and not rule.opt_in]


def check(data: bytes, grace: float = 5.0) -> list[Finding]:
    settings = Settings(target_version=(3, 11), grace_period=grace)
    return analysis.check_source(data, filename="module.py", settings=settings, rules=RULES)


def repair(code: str, *, unsafe: bool = True, grace: float = 5.0) -> FixResult:
    data = textwrap.dedent(code).encode()
    result = fix_source(data, filename="module.py", check=lambda d: check(d, grace), unsafe=unsafe)
    assert not result.dropped
    return result


def assert_fixed(code: str, expected: str, *, unsafe: bool = True, grace: float = 5.0) -> None:
    assert repair(code, unsafe=unsafe, grace=grace).data.decode() == textwrap.dedent(expected)


def assert_left_alone(code: str, *, unsafe: bool = True) -> None:
    """Check that something is reported and nothing is written."""
    result = repair(code, unsafe=unsafe)
    assert result.left
    assert result.data.decode() == textwrap.dedent(code)


# -- SIGTERM only ------------------------------------------------------------------------------------------------------


def test_the_grace_period_is_that_of_the_settings() -> None:
    assert_fixed(
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv)
            p.terminate()
            p.wait()
        """,
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv)
            p.terminate()
            try:
                p.wait(timeout=0.25)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        """,
        grace=0.25,
    )


def test_a_kill_after_a_while_is_never_safe() -> None:
    assert_left_alone(
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv)
            p.terminate()
            p.wait()
        """,
        unsafe=False,
    )


def test_the_value_of_the_wait_is_that_of_the_second_one_too() -> None:
    assert_fixed(
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv)
            p.terminate()
            rc = p.wait()  # how it went
            return rc
        """,
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv)
            p.terminate()
            try:
                rc = p.wait(timeout=5)  # how it went
            except subprocess.TimeoutExpired:
                p.kill()
                rc = p.wait()
            return rc
        """,
    )


def test_communicate_may_be_called_again_after_its_timeout() -> None:
    assert_fixed(
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, stdout=subprocess.PIPE)
            p.terminate()
            out, _ = p.communicate()
            return out
        """,
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, stdout=subprocess.PIPE)
            p.terminate()
            try:
                out, _ = p.communicate(timeout=5)
            except subprocess.TimeoutExpired:
                p.kill()
                out, _ = p.communicate()
            return out
        """,
    )


def test_communicate_gets_no_timeout_behind_a_readline() -> None:
    """It would lose what the readline has left in the buffer; a bounded wait in front of it loses nothing."""
    assert_fixed(
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, stdout=subprocess.PIPE)
            first = p.stdout.readline()
            p.terminate()
            out, _ = p.communicate()
            return first + out
        """,
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, stdout=subprocess.PIPE)
            first = p.stdout.readline()
            p.terminate()
            try:
                p.wait(timeout=5)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            out, _ = p.communicate()
            return first + out
        """,
    )


def test_a_wait_that_a_healthy_child_reaches_too_gets_no_limit() -> None:
    assert_fixed(
        """
        import subprocess
        def f(argv, cancelled):
            p = subprocess.Popen(argv)
            if cancelled():
                p.terminate()
            p.wait()
        """,
        """
        import subprocess
        def f(argv, cancelled):
            p = subprocess.Popen(argv)
            if cancelled():
                p.terminate()
                try:
                    p.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
            p.wait()
        """,
    )


def test_all_children_of_a_loop_are_asked_before_one_is_waited_for() -> None:
    assert_fixed(
        """
        import subprocess
        class Swarm:
            def __init__(self, argv):
                self.children = [subprocess.Popen(argv) for _ in range(9)]
            def stop(self):
                for child in self.children:
                    child.terminate()
                self.children = []
        """,
        """
        import subprocess
        class Swarm:
            def __init__(self, argv):
                self.children = [subprocess.Popen(argv) for _ in range(9)]
            def stop(self):
                for child in self.children:
                    child.terminate()
                for child in self.children:
                    try:
                        child.wait(timeout=5)
                    except subprocess.TimeoutExpired:
                        child.kill()
                        child.wait()
                self.children = []
        """,
    )


def test_a_signal_handler_must_not_wait() -> None:
    """It may have interrupted the very `wait()` of the child, whose lock is then held: a deadlock."""
    assert_left_alone(
        """
        import signal
        import subprocess
        import sys
        class Service:
            def run(self, argv):
                self.p = subprocess.Popen(argv)
                signal.signal(signal.SIGINT, self.stop)
                return self.p.wait()
            def stop(self, signum, frame):
                self.p.terminate()
        """,
    )


def test_a_status_that_waitpid_collects_is_left_to_it() -> None:
    assert_left_alone(
        """
        import os
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv)
            p.terminate()
            return os.waitpid(p.pid, 0)
        """,
    )


def test_a_coroutine_does_not_wait_for_a_child_that_is_not_asyncios() -> None:
    assert_left_alone(
        """
        import subprocess
        class Service:
            def __init__(self, argv):
                self.p = subprocess.Popen(argv)
            async def stop(self):
                self.p.terminate()
        """,
    )


def test_a_plain_function_cannot_await() -> None:
    assert_left_alone(
        """
        import asyncio
        class Service:
            async def start(self):
                self.p = await asyncio.create_subprocess_exec("server")
            def stop(self):
                self.p.terminate()
        """,
    )


@pytest.mark.parametrize(
    "statement",
    ["if p.poll() is None: p.terminate()", "p.terminate(); log()", "t = threading.Timer(9, p.terminate); t.start()"],
)
def test_a_signal_that_is_no_statement_of_its_own_is_left_alone(statement: str) -> None:
    assert_left_alone(
        f"""
        import subprocess
        import threading
        def f(argv, log):
            p = subprocess.Popen(argv)
            {statement}
        """,
    )


@pytest.mark.parametrize(
    "block",
    [
        "try:\n    work()\nfinally: p.terminate()",
        "try:\n    work()\nexcept OSError: p.terminate()",
        "if work():\n    pass\nelse: p.terminate()",
    ],
)
def test_a_signal_on_the_line_of_its_keyword_is_left_alone(block: str) -> None:
    code = "import subprocess\ndef f(argv, work):\n    p = subprocess.Popen(argv)\n" + textwrap.indent(block, "    ")
    assert_left_alone(code + "\n")


def test_a_handle_of_two_libraries_is_left_alone() -> None:
    assert_left_alone(
        """
        import multiprocessing
        import subprocess
        class Worker:
            def __init__(self, argv, function):
                if argv:
                    self.p = subprocess.Popen(argv)
                else:
                    self.p = multiprocessing.Process(target=function)
                    self.p.start()
            def stop(self):
                self.p.terminate()
        """,
    )


def test_a_subclass_with_a_wait_of_its_own_is_left_alone() -> None:
    assert_left_alone(
        """
        import subprocess
        class Tool(subprocess.Popen):
            def wait(self):
                return super().wait()
            def stop(self):
                self.terminate()
        """,
    )


def test_a_taken_name_is_not_written() -> None:
    assert_left_alone(
        """
        from subprocess import Popen
        TimeoutExpired = subprocess = ValueError
        def f(argv):
            p = Popen(argv)
            p.terminate()
            p.wait()
        """,
    )


def test_a_method_that_imitates_terminate_does_not_begin_to_wait() -> None:
    assert_left_alone(
        """
        import subprocess
        class Wrapper:
            def __init__(self, argv):
                self._p = subprocess.Popen(argv)
            def terminate(self):
                self._p.terminate()
        """,
    )


def test_a_group_that_gets_sigterm_gets_sigkill_as_a_group() -> None:
    assert_fixed(
        """
        import os
        import signal
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, start_new_session=True)
            os.killpg(p.pid, signal.SIGTERM)
            p.wait()
        """,
        """
        import os
        import signal
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, start_new_session=True)
            os.killpg(p.pid, signal.SIGTERM)
            try:
                p.wait(timeout=5)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
        """,
    )


def test_a_bounded_join_is_followed_by_a_kill() -> None:
    assert_fixed(
        """
        import multiprocessing
        from engine import work
        def f():
            p = multiprocessing.Process(target=work)
            p.start()
            p.terminate()
            p.join(3)
        """,
        """
        import multiprocessing
        from engine import work
        def f():
            p = multiprocessing.Process(target=work)
            p.start()
            p.terminate()
            p.join(3)
            if p.is_alive():
                p.kill()
                p.join()
        """,
    )


def test_billiards_processes_have_no_kill() -> None:
    assert_left_alone(
        """
        import billiard
        from engine import work
        def f():
            p = billiard.Process(target=work)
            p.start()
            p.terminate()
            p.join()
        """,
    )


# -- asyncio -----------------------------------------------------------------------------------------------------------


def test_on_python_3_11_a_killed_asyncio_child_with_a_pipe_is_reaped_by_communicate() -> None:
    assert_fixed(
        """
        import asyncio
        async def f():
            p = await asyncio.create_subprocess_exec("x", stdout=asyncio.subprocess.PIPE)
            try:
                await asyncio.wait_for(p.communicate(), 9)
            except TimeoutError:
                p.kill()
        """,
        """
        import asyncio
        async def f():
            p = await asyncio.create_subprocess_exec("x", stdout=asyncio.subprocess.PIPE)
            try:
                await asyncio.wait_for(p.communicate(), 9)
            except TimeoutError:
                p.kill()
                await p.communicate()
        """,
    )


def test_the_output_of_an_asyncio_child_is_left_to_the_communicate_that_uses_it() -> None:
    assert_fixed(
        """
        import asyncio
        async def f():
            p = await asyncio.create_subprocess_exec("x", stdout=asyncio.subprocess.PIPE)
            p.terminate()
            out, _ = await p.communicate()
            return out
        """,
        """
        import asyncio
        async def f():
            p = await asyncio.create_subprocess_exec("x", stdout=asyncio.subprocess.PIPE)
            p.terminate()
            try:
                await asyncio.wait_for(p.wait(), timeout=5)
            except TimeoutError:
                p.kill()
            out, _ = await p.communicate()
            return out
        """,
    )


def test_no_kill_is_left_to_a_communicate_that_may_not_come() -> None:
    assert_left_alone(
        """
        import asyncio
        async def f(wanted):
            p = await asyncio.create_subprocess_exec("x", stdout=asyncio.subprocess.PIPE)
            p.terminate()
            if not wanted:
                return b""
            out, _ = await p.communicate()
            return out
        """,
    )


def test_a_timeout_error_of_the_module_is_not_asyncios() -> None:
    assert_fixed(
        """
        import asyncio
        from requests import Timeout as TimeoutError
        async def f():
            p = await asyncio.create_subprocess_exec("x")
            p.terminate()
            return await p.wait()
        """,
        """
        import asyncio
        from requests import Timeout as TimeoutError
        async def f():
            p = await asyncio.create_subprocess_exec("x")
            p.terminate()
            try:
                return await asyncio.wait_for(p.wait(), timeout=5)
            except asyncio.TimeoutError:
                p.kill()
                return await p.wait()
        """,
    )


# -- the wait behind a kill --------------------------------------------------------------------------------------------


def test_a_wait_behind_sigkill_is_safe() -> None:
    assert_fixed(
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, shell=False)
            try:
                return p.wait(timeout=9)
            except subprocess.TimeoutExpired:
                p.kill()
                raise
        """,
        """
        import subprocess
        def f(argv):
            p = subprocess.Popen(argv, shell=False)
            try:
                return p.wait(timeout=9)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
                raise
        """,
        unsafe=False,
    )


def test_a_killed_shell_is_waited_for_and_its_pipe_is_not() -> None:
    """`communicate()` would wait for the grandchildren that hold the pipe."""
    code = """
        import subprocess
        def f(command, say):
            p = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE)
            say(p.stdout.readline())
            p.kill()
        """
    assert "        p.kill()\n        p.wait()\n" in textwrap.indent(repair(code, unsafe=False).data.decode(), "    ")


def test_a_killing_signal_handler_does_not_wait() -> None:
    assert_left_alone(
        """
        import signal
        import subprocess
        class Service:
            def start(self, argv):
                self.p = subprocess.Popen(argv)
                signal.signal(signal.SIGINT, self.stop)
            def stop(self, signum, frame):
                self.p.kill()
        """,
    )


# -- timeouts ----------------------------------------------------------------------------------------------------------


def test_a_handle_that_may_not_exist_in_the_handler_is_ended_inside_the_try() -> None:
    result = repair(
        """
        import subprocess
        def f(argv):
            try:
                p = subprocess.Popen(argv)
                return p.wait(timeout=9)
            except (OSError, subprocess.TimeoutExpired):
                return None
        """
    )
    namespace: dict[str, object] = {}
    exec(compile(result.data, "module.py", "exec"), namespace)
    function = namespace["f"]
    assert callable(function)
    assert function(["/does/not/exist"]) is None
    assert "            raise\n    except (OSError" in result.data.decode()


def test_who_lends_a_child_decides_about_its_timeout() -> None:
    code = """
        import subprocess
        def wait_quietly(p: subprocess.Popen, seconds):
            try:
                p.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                return None
        """
    assert_fixed(code, code)


def test_the_child_is_ended_before_the_handler_leaves() -> None:
    assert_fixed(
        """
        import subprocess
        def f(argv, log, fail):
            p = subprocess.Popen(argv)
            try:
                p.wait(timeout=9)
            except subprocess.TimeoutExpired:
                log.error("too slow")
                fail("never returns")
        """,
        """
        import subprocess
        def f(argv, log, fail):
            p = subprocess.Popen(argv)
            try:
                p.wait(timeout=9)
            except subprocess.TimeoutExpired:
                log.error("too slow")
                p.terminate()
                try:
                    p.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
                fail("never returns")
        """,
    )


def test_what_only_looks_like_a_log_line_may_never_return() -> None:
    code = """
        import argparse
        import subprocess
        def f(argv):
            parser = argparse.ArgumentParser()
            p = subprocess.Popen(argv)
            try:
                p.wait(timeout=9)
            except subprocess.TimeoutExpired:
                parser.error("too slow")
        """
    fixed = repair(code).data.decode()
    assert fixed.index("p.kill()") < fixed.index("parser.error")


def test_a_shell_that_times_out_is_ended_with_all_it_started() -> None:
    assert_fixed(
        """
        import os
        import signal
        import subprocess
        def f(command):
            p = subprocess.Popen(command, shell=True)
            try:
                p.wait(timeout=9)
            except subprocess.TimeoutExpired:
                pass
        """,
        """
        import os
        import signal
        import subprocess
        def f(command):
            p = subprocess.Popen(command, shell=True, start_new_session=True)
            try:
                p.wait(timeout=9)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGTERM)
                try:
                    p.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    os.killpg(p.pid, signal.SIGKILL)
                    p.wait()
        """,
    )


# -- sessions ----------------------------------------------------------------------------------------------------------

SHELL = """
    import os
    import signal
    import subprocess
    def f(command, {parameters}):
        p = subprocess.Popen(command, shell=True{more})
        {before}
        p.kill()
        p.wait()
    """


def shell(*, more: str = "", before: str = "work()", parameters: str = "work") -> str:
    return SHELL.format(more=more, before=before, parameters=parameters)


def test_all_signals_of_a_shell_go_to_its_session() -> None:
    assert_fixed(
        """
        import os
        import signal
        import subprocess
        def f(command):
            p = subprocess.Popen(command, shell=True)
            p.terminate()
            try:
                p.wait(timeout=3)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        """,
        """
        import os
        import signal
        import subprocess
        def f(command):
            p = subprocess.Popen(command, shell=True, start_new_session=True)
            os.killpg(p.pid, signal.SIGTERM)
            try:
                p.wait(timeout=3)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, signal.SIGKILL)
                p.wait()
        """,
    )


def test_what_goes_away_with_another_finding_counts_as_fixed() -> None:
    result = repair(
        """
        import os
        import signal
        import subprocess
        def f(command):
            p = subprocess.Popen(command, shell=True, stdout=subprocess.PIPE)
            p.terminate()
            p.kill()
            return p.communicate()
        """
    )
    assert sorted(f.code for f in result.fixed) == ["FRK503", "FRK503", "FRK505"]
    assert not result.left


def test_an_empty_group_is_no_error_where_the_shell_may_have_been_reaped() -> None:
    fixed = repair(shell(before="p.poll()")).data.decode()
    assert "try:\n        os.killpg(p.pid, signal.SIGKILL)\n    except ProcessLookupError:\n        pass\n" in fixed


def test_a_shell_that_has_just_been_polled_still_has_its_group() -> None:
    code = """
        import os
        import signal
        import subprocess
        def f(command, work):
            p = subprocess.Popen(command, shell=True)
            work()
            if p.poll() is None:
                p.kill()
                p.wait()
        """
    assert "ProcessLookupError" not in repair(code).data.decode()


@pytest.mark.parametrize("more", ["**options", "preexec_fn=hook", "start_new_session=options"])
def test_a_session_that_may_be_there_is_not_made_twice(more: str) -> None:
    result = repair(shell(more=", " + more, parameters="work, options, hook"))
    assert "killpg" not in result.data.decode()


def test_a_hook_that_makes_the_session_is_enough() -> None:
    """With `start_new_session` beside it the hook would fail: SubprocessError."""
    fixed = repair(shell(more=", preexec_fn=os.setsid")).data.decode()
    assert "os.killpg(p.pid, signal.SIGKILL)" in fixed
    assert "start_new_session" not in fixed


def test_a_group_of_its_own_is_enough() -> None:
    """With `start_new_session` beside it the child would fail: PermissionError."""
    fixed = repair(shell(more=", process_group=0")).data.decode()
    assert "os.killpg(p.pid, signal.SIGKILL)" in fixed
    assert "start_new_session" not in fixed


def test_a_module_that_runs_on_windows_gets_no_killpg() -> None:
    assert_left_alone(shell(before='options = {} if os.name == "nt" else work()'))


def test_a_kill_by_reference_bars_the_whole_fix() -> None:
    assert_left_alone(shell(before="work(9, p.kill)"))


def test_a_subclass_that_starts_the_shell_has_other_arguments() -> None:
    assert_left_alone(
        """
        import subprocess
        class Shell(subprocess.Popen):
            def __init__(self, command):
                super().__init__(command, shell=True)
        def f(command):
            p = Shell(command)
            p.kill()
            p.wait()
        """,
    )


def test_a_worker_of_multiprocessing_has_no_keyword_for_a_session() -> None:
    assert_left_alone(
        """
        import multiprocessing
        import os
        import signal
        def _work():
            pass
        def f():
            p = multiprocessing.Process(target=_work)
            p.start()
            os.killpg(os.getpgid(p.pid), signal.SIGKILL)
            p.join()
        """,
    )


def test_comments_between_the_arguments_stay_where_they_are() -> None:
    fixed = repair(
        """
        import os
        import signal
        import subprocess
        def f(command):
            p = subprocess.Popen(
                command,  # what to run
                # it has a pipe in it
                shell=True,  # so a shell
            )
            p.kill()
            p.wait()
        """
    ).data.decode()
    assert (
        "        command,  # what to run\n"
        "        # it has a pipe in it\n"
        "        shell=True,  # so a shell\n"
        "        start_new_session=True,\n"
        "    )\n"
    ) in fixed


# -- SIGCHLD -----------------------------------------------------------------------------------------------------------


def test_children_of_a_fork_may_need_the_ignored_sigchld() -> None:
    assert_left_alone(
        """
        import os
        import signal
        import subprocess
        def f(argv):
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            if os.fork() == 0:
                os._exit(0)
            return subprocess.run(argv).returncode
        """,
    )


# -- for real ----------------------------------------------------------------------------------------------------------

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""

PROGRAMS = {
    "communicate": """
        import subprocess
        import sys
        p = subprocess.Popen([sys.executable, "stubborn.py"], stdout=subprocess.PIPE, text=True)
        import time; time.sleep(0.5)
        p.terminate()
        out, _ = p.communicate()
        print(repr(out), p.returncode)
        """,
    "asyncio communicate": """
        import asyncio
        import sys
        async def main():
            p = await asyncio.create_subprocess_exec(sys.executable, "stubborn.py", stdout=asyncio.subprocess.PIPE)
            await asyncio.sleep(0.5)
            p.terminate()
            out, _ = await p.communicate()
            print(repr(out.decode()), p.returncode)
        asyncio.run(main())
        """,
    "the group of a shell": """
        import os
        import signal
        import subprocess
        import sys
        import time
        p = subprocess.Popen(f"{sys.executable} stubborn.py; true", shell=True, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        p.kill()
        out, _ = p.communicate()
        print(repr(out), p.returncode)
        """,
}


STATUSES = {
    "a shell that was reaped before": (
        """
        import subprocess
        import time
        p = subprocess.Popen("true", shell=True)
        time.sleep(0.5)
        p.poll()
        p.kill()
        p.wait()
        print(p.returncode)
        """,
        "0\n",
    ),
    "a full pipe of an asyncio child": (
        """
        import asyncio
        import sys
        CODE = "import signal\\nsignal.signal(15, signal.SIG_IGN)\\nwhile True: print('x' * 65536)"
        async def main():
            p = await asyncio.create_subprocess_exec(sys.executable, "-c", CODE, stdout=asyncio.subprocess.PIPE)
            try:
                await asyncio.wait_for(p.wait(), 0.5)
            except TimeoutError:
                pass
            print(p.returncode)
        asyncio.run(main())
        """,
        "-9\n",
    ),
    "a worker that ignores SIGTERM": (
        """
        import multiprocessing
        import signal
        import time
        def work(ready):
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            ready.set()
            time.sleep(60)
        if __name__ == "__main__":
            ready = multiprocessing.Event()
            p = multiprocessing.Process(target=work, args=(ready,))
            p.start()
            ready.wait()
            p.terminate()
            p.join()
            print(p.exitcode)
        """,
        "-9\n",
    ),
}


@pytest.mark.parametrize("name", STATUSES)
def test_the_fixed_program_ends_with_a_status(name: str, tmp_path: Path) -> None:
    code, printed = STATUSES[name]
    result = repair(code, grace=0.5)
    assert result.fixed
    (tmp_path / "program.py").write_bytes(result.data)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout == printed, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_fixed_program_ends_and_loses_no_output(name: str, tmp_path: Path) -> None:
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    result = repair(PROGRAMS[name], grace=0.5)
    assert result.fixed
    (tmp_path / "program.py").write_bytes(result.data)
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout == "'ready\\n' -9\n", done.stderr


def test_what_is_written_behind_sigkill_is_the_only_safe_kind() -> None:
    code = """
        import subprocess
        class A:
            def __init__(self, argv):
                self.p = subprocess.Popen(argv)
            def stop(self):
                self.p.{signal}()
        """
    (gentle,) = check(textwrap.dedent(code.format(signal="terminate")).encode())
    (final,) = check(textwrap.dedent(code.format(signal="kill")).encode())
    assert gentle.fix is not None
    assert gentle.fix.safety is Safety.UNSAFE
    assert final.fix is not None
    assert final.fix.safety is Safety.SAFE
