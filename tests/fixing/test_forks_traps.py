"""The traps of fixing forks: what children inherit, how they are started, where they end, and who imports whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from traps import assert_becomes, assert_left_alone, repair, run, safety

from flake8_forksafe.fix import Safety

# -- FRK201: close_fds -----------------------------------------------------------------------------------------------


def test_a_command_that_inherits_nothing_loses_the_argument_safely() -> None:
    assert_becomes(
        "FRK201",
        """
        import subprocess

        subprocess.run(
            ["magick", "a.png", "b.png"],
            check=True,  # or raise
            # for speed
            close_fds=False,  # really?
            # quietly
            stdout=subprocess.DEVNULL,
        )
        """,
        """
        import subprocess

        subprocess.run(
            ["magick", "a.png", "b.png"],
            check=True,  # or raise
            # quietly
            stdout=subprocess.DEVNULL,
        )
        """,
        unsafe=False,
    )


@pytest.mark.parametrize(
    "call",
    [
        'subprocess.run(["make", "all"], close_fds=False)',
        'subprocess.run(["sudo", "id"], close_fds=False)',
        "subprocess.run(argv, close_fds=False)",
        'subprocess.run("cat <&3", shell=True, close_fds=False)',
        'subprocess.run(["helper"], env={"LISTEN_FDS": "1"}, close_fds=False)',
        'subprocess.run(["helper", str(sock.fileno())], close_fds=False)',
        'subprocess.run(["helper"], **options, close_fds=False)',
    ],
)
def test_deliberate_inheritance_makes_it_unsafe(call: str) -> None:
    source = f"import subprocess\ndef f(argv, sock, options):\n    {call}\n"
    assert safety("FRK201", source) is Safety.UNSAFE
    assert_left_alone("FRK201", source, unsafe=False)
    assert "close_fds" not in repair("FRK201", source).data.decode()


def test_pass_fds_overrides_the_argument_so_that_dropping_it_is_safe() -> None:
    source = """
        import subprocess

        def f(argv, fd):
            subprocess.run(argv, pass_fds=(fd,), close_fds=False)
        """
    assert safety("FRK201", source) is Safety.SAFE


# -- FRK202: inheritable descriptors ---------------------------------------------------------------------------------


def test_the_one_child_behind_gets_pass_fds() -> None:
    source = """
        import os
        import subprocess
        import threading

        def start(fd, watch):
            threading.Thread(target=watch, daemon=True).start()
            os.set_inheritable(fd, True)
            return subprocess.call(["helper", str(fd)], close_fds=False)
        """
    assert safety("FRK202", source) is Safety.UNSAFE
    assert_becomes(
        "FRK202",
        source,
        """
        import os
        import subprocess
        import threading

        def start(fd, watch):
            threading.Thread(target=watch, daemon=True).start()
            return subprocess.call(["helper", str(fd)], pass_fds=(fd,))
        """,
    )


@pytest.mark.parametrize(
    "child",
    [
        'os.spawnv(os.P_WAIT, "/bin/helper", ["helper", str(fd)])',
        'subprocess.call(["other"])',
        'subprocess.call(["helper", str(fd)]); subprocess.call(["helper", str(fd)])',
        'subprocess.call(["helper", str(fd)], pass_fds=(7,))',
    ],
)
def test_without_a_child_that_takes_it_the_descriptor_is_left_alone(child: str) -> None:
    assert_left_alone(
        "FRK202",
        f"""
        import os
        import subprocess
        import threading

        def start(fd, watch):
            threading.Thread(target=watch, daemon=True).start()
            os.set_inheritable(fd, True)
            {child}
        """,
    )


# -- FRK203: the ends of a pipe --------------------------------------------------------------------------------------


def test_the_later_close_goes_as_its_number_may_be_anothers_by_then() -> None:
    assert_becomes(
        "FRK203",
        """
        import os
        import subprocess

        def status(document):
            r, w = os.pipe()
            gpg = subprocess.Popen(["gpg", document], pass_fds=(w,))
            with os.fdopen(r) as lines:
                found = list(lines)
            os.close(w)
            gpg.wait()
            return found
        """,
        """
        import os
        import subprocess

        def status(document):
            r, w = os.pipe()
            gpg = subprocess.Popen(["gpg", document], pass_fds=(w,))
            os.close(w)
            with os.fdopen(r) as lines:
                found = list(lines)
            gpg.wait()
            return found
        """,
        unsafe=False,
    )


def test_a_close_in_finally_is_left_to_a_person() -> None:
    assert_left_alone(
        "FRK203",
        """
        import os
        import subprocess

        def status(document):
            r, w = os.pipe()
            gpg = subprocess.Popen(["gpg", document], pass_fds=(w,))
            try:
                with os.fdopen(r) as lines:
                    found = list(lines)
            finally:
                os.close(w)
            gpg.wait()
            return found
        """,
    )


def test_a_second_child_that_gets_the_end_later_forbids_the_close() -> None:
    assert_left_alone(
        "FRK203",
        """
        import os
        import subprocess

        def both(one, other):
            r, w = os.pipe()
            first = subprocess.Popen(one, stdout=w)
            second = subprocess.Popen(other, stdout=w)
            with os.fdopen(r) as lines:
                found = list(lines)
            os.close(w)
            first.wait()
            second.wait()
            return found
        """,
    )


def test_the_fixed_reader_sees_the_end_of_the_pipe(tmp_path: Path) -> None:
    done = run(
        "FRK203",
        """
        import os

        def main():
            r, w = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(r)
                    os.write(w, b"answer")
                finally:
                    os._exit(0)
            with os.fdopen(r) as reader:
                print(reader.read())
            os.waitpid(pid, 0)
            os.close(w)

        main()
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "answer\n")


# -- FRK302: the start method ----------------------------------------------------------------------------------------

_BESIDE_A_THREAD = """
import multiprocessing
import threading

import work

LIMIT = 10
CACHE = {{}}


def at_top(item):
    return item + LIMIT


def with_state(item):
    return CACHE.get(item)


@work.registered
def decorated(item):
    return item


class Runner:
    def __init__(self):
        threading.Thread(target=work.watch, daemon=True).start()

    def method(self):
        return self

    def start(self, path):
        def nested():
            return path

        queue = multiprocessing.Queue()
        lock = threading.Lock()
        process = multiprocessing.Process({})
        process.start()
        process.join()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        "target=work.job",
        "target=at_top, args=(path,)",
        "target=at_top, args=(1, 'a')",
        "target=work.job, kwargs={'a': 1}",
    ],
)
def test_what_can_be_pickled_is_spawned(arguments: str) -> None:
    source = _BESIDE_A_THREAD.format(arguments)
    assert safety("FRK302", source) is Safety.UNSAFE
    fixed = repair("FRK302", source).data.decode()
    assert f'multiprocessing.get_context("spawn").Process({arguments})' in fixed


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param("target=lambda: path", id="lambda"),
        pytest.param("target=nested", id="nested function"),
        pytest.param("target=self.method", id="bound method brings its object along"),
        pytest.param("target=decorated", id="the name stands for what the decorator made"),
        pytest.param("target=with_state", id="globals that the program changes"),
        pytest.param("target=work.job, args=(queue,)", id="queue of the fork context"),
        pytest.param("target=work.job, args=(lock,)", id="lock of the parent"),
        pytest.param("target=work.job, args=(open(path),)", id="open file"),
        pytest.param("target=work.job, args=(self,)", id="the object itself"),
        pytest.param("target=work.job, args=([lambda: 1],)", id="lambda in a list"),
        pytest.param("target=path", id="target out of sight"),
        pytest.param("**work.options", id="arguments out of sight"),
    ],
)
def test_what_needs_fork_is_left_alone(arguments: str) -> None:
    assert_left_alone("FRK302", _BESIDE_A_THREAD.format(arguments))


def test_a_script_without_a_guard_would_start_itself_again() -> None:
    assert_left_alone(
        "FRK302",
        """
        import multiprocessing
        import threading

        import work

        def main():
            threading.Thread(target=work.watch, daemon=True).start()
            multiprocessing.Process(target=work.job).start()

        main()
        """,
    )


def test_a_context_is_changed_only_if_all_its_processes_can_be_spawned() -> None:
    source = """
        import multiprocessing
        import threading

        import work

        FORK = multiprocessing.get_context("fork")

        def run():
            threading.Thread(target=work.watch, daemon=True).start()
            FORK.Process(target=work.job).start()

        def run_other(x):
            FORK.Process(target={}).start()
        """
    assert 'get_context("spawn")' in repair("FRK302", source.format("work.other")).data.decode()
    assert_left_alone("FRK302", source.format("lambda: x"))


def test_a_pool_that_is_given_a_lambda_is_left_alone() -> None:
    assert_left_alone(
        "FRK302",
        """
        import threading
        from concurrent.futures import ProcessPoolExecutor

        import work

        def run(paths):
            threading.Thread(target=work.watch, daemon=True).start()
            with ProcessPoolExecutor() as executor:
                return list(executor.map(lambda p: p, paths))
        """,
    )


def test_the_executor_gets_its_context_and_the_import_its_place() -> None:
    assert_becomes(
        "FRK302",
        """
        '''Hashes.'''

        from __future__ import annotations

        import logging
        import threading
        from concurrent.futures import ProcessPoolExecutor

        import work

        def run(paths):
            threading.Thread(target=work.watch, daemon=True).start()
            with ProcessPoolExecutor(
                max_workers=2,
            ) as executor:
                return list(executor.map(work.digest, paths))
        """,
        """
        '''Hashes.'''

        from __future__ import annotations

        import logging
        import multiprocessing
        import threading
        from concurrent.futures import ProcessPoolExecutor

        import work

        def run(paths):
            threading.Thread(target=work.watch, daemon=True).start()
            with ProcessPoolExecutor(
                max_workers=2,
                mp_context=multiprocessing.get_context("spawn"),
            ) as executor:
                return list(executor.map(work.digest, paths))
        """,
    )


def test_the_spawned_child_does_its_work(tmp_path: Path) -> None:
    done = run(
        "FRK302",
        """
        import multiprocessing
        import threading

        LOCK = threading.Lock()

        def hold(held):
            with LOCK:
                held.set()
                threading.Event().wait(5)

        def square(number):
            print(number * number)

        def main():
            held = threading.Event()
            threading.Thread(target=hold, args=(held,), daemon=True).start()
            held.wait()
            child = multiprocessing.Process(target=square, args=(7,))
            child.start()
            child.join()
            print(child.exitcode)

        if __name__ == "__main__":
            main()
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "49\n0\n")


# -- FRK303: preexec_fn ----------------------------------------------------------------------------------------------


def _call(arguments: str, before: str = "pass") -> str:
    return f"""
import os, resource, signal, subprocess

def f(argv, uid, gid, mask, cond):
    {before}
    return subprocess.call(argv, {arguments}, stdin=None)
"""


@pytest.mark.parametrize(
    ("hook", "keywords", "expected"),
    [
        ("os.setsid", "start_new_session=True", Safety.SAFE),
        ('getattr(os, "setsid", None)', "start_new_session=True", Safety.SAFE),
        ("os.setpgrp", "process_group=0", Safety.SAFE),
        ("lambda: os.setpgid(0, 0)", "process_group=0", Safety.SAFE),
        ("lambda: os.umask(0o077)", "umask=0o077", Safety.SAFE),
        ("lambda: os.umask(mask)", "umask=mask", Safety.SAFE),
        ("lambda: os.setuid(uid)", "user=uid", Safety.UNSAFE),
        ("lambda: os.setresgid(gid, gid, gid)", "group=gid", Safety.UNSAFE),
        ("lambda: os.setgroups([gid])", "extra_groups=[gid]", Safety.UNSAFE),
    ],
)
def test_each_keyword_takes_the_place_of_the_hook(hook: str, keywords: str, expected: Safety) -> None:
    source = _call(f"preexec_fn={hook}")
    assert safety("FRK303", source) is expected
    assert repair("FRK303", source).data.decode() == _call(keywords).lstrip()


def test_several_acts_become_several_keywords() -> None:
    fixed = repair("FRK303", _call("preexec_fn=lambda: (os.setsid(), os.umask(0o22))")).data.decode()
    assert "subprocess.call(argv, start_new_session=True, stdin=None, umask=0o022)" in fixed


def test_a_hook_that_only_restores_sigpipe_is_dropped() -> None:
    source = _call("preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL)")
    assert "subprocess.call(argv, stdin=None)" in repair("FRK303", source, unsafe=False).data.decode()


def test_setsid_beside_start_new_session_is_dropped_as_the_two_together_raise() -> None:
    source = _call("start_new_session=True, preexec_fn=os.setsid")
    assert "subprocess.call(argv, start_new_session=True, stdin=None)" in repair("FRK303", source).data.decode()


@pytest.mark.parametrize(
    ("arguments", "before"),
    [
        pytest.param("preexec_fn=lambda: os.nice(5)", "pass", id="nice has no keyword"),
        pytest.param("preexec_fn=lambda: (os.setsid(), os.nice(5))", "pass", id="neither has a part"),
        pytest.param(
            "preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1, 1))", "pass", id="limits have no keyword"
        ),
        pytest.param("preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)", "pass", id="signal set-up"),
        pytest.param("preexec_fn=lambda: (os.setsid(), os.setpgrp())", "pass", id="session and group together raise"),
        pytest.param("preexec_fn=os.setsid, process_group=0", "pass", id="process_group needs no session beside it"),
        pytest.param("preexec_fn=lambda: os.setreuid(uid, gid)", "pass", id="two ids apart"),
        pytest.param("preexec_fn=lambda: os.umask(mask), umask=0", "pass", id="umask is given already"),
        pytest.param("preexec_fn=os.setsid if cond else os.setpgrp", "pass", id="one of two hooks"),
        pytest.param(
            "preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_DFL), restore_signals=False",
            "pass",
            id="signals are kept on purpose",
        ),
    ],
)
def test_what_no_keyword_does_is_left_alone(arguments: str, before: str) -> None:
    assert_left_alone("FRK303", _call(arguments, before))


def test_names_of_the_hook_must_mean_the_same_at_the_call() -> None:
    assert_left_alone(
        "FRK303",
        """
        import os
        import subprocess

        def become(uid):
            return lambda: os.setuid(uid)

        def f(argv, uid):
            return subprocess.call(argv, preexec_fn=become(uid + 1))
        """,
    )


def test_a_hook_that_forgives_errors_is_left_alone() -> None:
    assert_left_alone(
        "FRK303",
        """
        import os
        import subprocess

        def lower():
            try:
                os.setuid(65534)
            except OSError:
                pass

        def f(argv):
            return subprocess.call(argv, preexec_fn=lower)
        """,
    )


@pytest.mark.parametrize("options", ["preexec_fn=hook", '**{"preexec_fn": hook}'])
def test_a_hook_that_is_bound_on_one_branch_only_is_left_alone(options: str) -> None:
    assert_left_alone(
        "FRK303",
        f"""
        import os
        import subprocess

        def f(argv, apart, hook=None):
            if apart:
                def setpgid():
                    os.setpgid(0, 0)
                hook = setpgid
            return subprocess.call(argv, {options})
        """,
    )


def test_a_child_of_another_function_is_not_taken_for_the_one_that_is_meant() -> None:
    assert_left_alone(
        "FRK202",
        """
        import os
        import subprocess

        LOCK = os.open("lock", os.O_RDWR)
        os.set_inheritable(LOCK, True)

        def main():
            subprocess.call(["sleep", "1"], close_fds=False)
        """,
    )


def test_a_parameter_of_the_module_keeps_its_name() -> None:
    assert_left_alone(
        "FRK303",
        """
        import os
        import subprocess

        def launch(argv, preexec_fn=None):
            return subprocess.call(argv, preexec_fn=preexec_fn)

        def f(argv):
            return launch(argv, preexec_fn=os.setsid)
        """,
    )


def test_the_fixed_child_has_its_own_session(tmp_path: Path) -> None:
    done = run(
        "FRK303",
        """
        import os, subprocess, sys
        code = "import os; print(os.getsid(0) == os.getpid(), oct(os.umask(0)), flush=True)"
        subprocess.run([sys.executable, "-c", code], preexec_fn=lambda: (os.setsid(), os.umask(0o70)), check=True)
        """,
        tmp_path,
    )
    assert (done.returncode, done.stdout) == (0, "True 0o70\n")


# -- FRK304: the forked child ----------------------------------------------------------------------------------------


def test_output_is_flushed_as_os_exit_does_not() -> None:
    assert_becomes(
        "FRK304",
        """
        import os
        from work import job

        def f():
            pid = os.fork()
            if pid == 0:
                # the child
                job()  # long
            os.waitpid(pid, 0)
        """,
        """
        import os
        import sys
        import traceback
        from work import job

        def f():
            pid = os.fork()
            if pid == 0:
                # the child
                status = 1
                try:
                    job()  # long
                    status = 0
                except Exception:
                    traceback.print_exc()
                finally:
                    try:
                        sys.stdout.flush()
                    finally:
                        os._exit(status)
            os.waitpid(pid, 0)
        """,
    )


def test_a_name_in_use_is_not_taken() -> None:
    fixed = repair(
        "FRK304",
        """
        import os
        from work import job

        def f(status):
            pid = os.fork()
            if pid == 0:
                job(status)
            os.waitpid(pid, 0)
        """,
    ).data.decode()
    assert "os._exit(exit_status)" in fixed


def test_a_child_that_only_returns_only_exits() -> None:
    fixed = repair(
        "FRK304",
        """
        import os

        def f():
            pid = os.fork()
            if pid == 0:
                return
            os.waitpid(pid, 0)
        """,
    ).data.decode()
    assert "        os._exit(0)\n" in fixed
    assert "try" not in fixed


@pytest.mark.parametrize("leaving", ["return", "continue", "break"])
def test_a_branch_that_is_left_in_its_middle_is_left_alone(leaving: str) -> None:
    assert_left_alone(
        "FRK304",
        f"""
        import os
        from work import job

        def f(items):
            for item in items:
                pid = os.fork()
                if pid == 0:
                    if not item:
                        {leaving}
                    job(item)
                os.waitpid(pid, 0)
        """,
    )


def test_the_fix_is_unsafe() -> None:
    source = """
        import os

        def f():
            if os.fork() == 0:
                print("child")
            print("both")
        """
    assert safety("FRK304", source) is Safety.UNSAFE


@pytest.mark.parametrize(
    ("body", "output", "status"),
    [
        pytest.param("print('child')", "child\n", 0, id="prints are not lost"),
        pytest.param("print('child'); 1 / int('0')", "child\n", 1, id="nor before an exception"),
        pytest.param("sys.exit(7)", "", 7, id="the status of sys.exit"),
        pytest.param("helper()", "", 3, id="the status of a helper's sys.exit"),
    ],
)
def test_the_fixed_child_ends_where_its_branch_ends(body: str, output: str, status: int, tmp_path: Path) -> None:
    lines = "\n                    ".join(body.split("; "))
    done = run(
        "FRK304",
        f"""
        import os
        import sys

        def helper():
            sys.exit(3)

        def main():
            try:
                pid = os.fork()
                if pid == 0:
                    {lines}
                _, found = os.waitpid(pid, 0)
                print("parent", os.waitstatus_to_exitcode(found))
            finally:
                print("once")

        main()
        """,
        tmp_path,
    )
    assert done.returncode == 0
    assert done.stdout.startswith(output)
    assert done.stdout.count("parent") == 1
    assert f"parent {status}\nonce\n" in done.stdout
    assert done.stdout.count("once") == 1
    assert ("ZeroDivisionError" in done.stdout) is ("1 / int" in body)


# -- FRK305, FRK306: the main guard ----------------------------------------------------------------------------------


def test_a_script_gets_a_guard_from_the_making_to_the_end() -> None:
    assert_becomes(
        "FRK305",
        """
        #!/usr/bin/env python3
        import multiprocessing

        from work import job


        def main(pool):
            print(pool.map(job, [1]))


        # four are enough
        pool = multiprocessing.Pool(4)

        main(pool)  # here we go
        """,
        """
        #!/usr/bin/env python3
        import multiprocessing

        from work import job


        def main(pool):
            print(pool.map(job, [1]))


        # four are enough
        if __name__ == "__main__":
            pool = multiprocessing.Pool(4)

            main(pool)  # here we go
        """,
    )


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param(
            "pool = multiprocessing.Pool(4)\n\n\ndef use():\n    return pool\n", id="a module that is imported"
        ),
        pytest.param(
            "with multiprocessing.Pool(4) as pool:\n    RESULTS = pool.map(job, [1])\n", id="a name that importers want"
        ),
    ],
)
def test_a_module_gets_no_guard(rest: str) -> None:
    assert_left_alone("FRK305", f"import multiprocessing\nfrom work import job\n\n{rest}")


def test_a_function_behind_the_start_is_not_put_under_the_guard() -> None:
    assert_left_alone(
        "FRK305",
        """
        #!/usr/bin/env python3
        import multiprocessing

        pool = multiprocessing.Pool(4)

        def job(item):
            return item

        pool.map(job, [1])
        """,
    )


def test_a_thread_that_is_joined_at_import_shows_a_script() -> None:
    source = """
        import threading
        from work import job

        thread = threading.Thread(target=job)
        thread.start()
        thread.join()
        """
    assert safety("FRK306", source) is Safety.UNSAFE
    assert_becomes(
        "FRK306",
        source,
        """
        import threading
        from work import job

        if __name__ == "__main__":
            thread = threading.Thread(target=job)
            thread.start()
            thread.join()
        """,
    )


def test_a_background_thread_of_a_module_is_left_alone() -> None:
    assert_left_alone(
        "FRK306",
        """
        import threading
        from work import job

        threading.Thread(target=job, daemon=True).start()
        """,
    )


def test_the_guarded_program_runs_under_spawn(tmp_path: Path) -> None:
    done = run(
        "FRK305",
        """
        #!/usr/bin/env python3
        import multiprocessing

        def square(number):
            return number * number

        context = multiprocessing.get_context("spawn")
        pool = context.Pool(1)
        print(pool.map(square, [1, 2, 3]))
        pool.close()
        pool.join()
        """,
        tmp_path,
        seconds=20,
    )
    assert (done.returncode, done.stdout) == (0, "[1, 4, 9]\n")
