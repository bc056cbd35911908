"""A thread in one module and a fork in another: small packages, checked by the real command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from flake8_forksafe import cli

USAGE = Path(__file__).parents[2] / "docs" / "usage.md"
SCRIPTS = Path(sys.executable).parent
Files = dict[str, str]

METRICS = """
    import threading

    def begin():
        threading.Thread(target=print, daemon=True).start()
    """
JOBS = """
    import os

    def work():
        pid = os.fork()
        if pid == 0:
            try:
                print("at work")
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
    """
POOL = """
    import multiprocessing

    def work():
        with multiprocessing.Pool() as pool:
            return pool.map(print, range(9))
    """
MAIN = """
    from app import jobs, metrics

    def main():
        metrics.begin()
        jobs.work()
    """
WORKER = """
    import multiprocessing

    class Worker(multiprocessing.Process):
        def run(self):
            print("at work")
    """
MONITOR = """
    import threading

    class Monitor(threading.Thread):
        def run(self):
            print("looking")
    """
AT_IMPORT = """
    import threading

    threading.Thread(target=print, daemon=True).start()
    """


def app(**modules: str) -> Files:
    """A package `app` with the modules that most of these programs have; None of them where it is empty."""
    known = {"__init__": "", "metrics": METRICS, "jobs": JOBS, **modules}
    return {f"app/{name.replace('__of__', '/')}.py": text for name, text in known.items()}


#: What must not be reported, and why.
NEAR_MISSES: dict[str, Files] = {
    "nobody calls both": app(),
    "the fork comes first": app(
        main="""
        from app import jobs, metrics

        def main():
            jobs.work()
            metrics.begin()
        """
    ),
    "two functions that nobody in sight calls": app(
        main="""
        from app import jobs, metrics

        def serve():
            metrics.begin()

        def spawn():
            jobs.work()
        """
    ),
    "on branches that exclude each other": app(
        main="""
        from app import jobs, metrics

        def main(threaded):
            if threaded:
                metrics.begin()
            else:
                jobs.work()
        """
    ),
    "under tests that exclude each other": app(
        main="""
        from app import jobs, metrics

        def main(threaded):
            if threaded:
                metrics.begin()
            print("between")
            if not threaded:
                jobs.work()
        """
    ),
    "the thread is started in the forked child only": app(
        main="""
        import os
        from app import jobs, metrics

        def main():
            pid = os.fork()
            if pid == 0:
                metrics.begin()
                os._exit(0)
            jobs.work()
        """
    ),
    "the thread is started by the target of a process only": app(
        jobs=POOL,
        main="""
        import multiprocessing
        from app import jobs, metrics

        def main():
            child = multiprocessing.get_context("spawn").Process(target=inner)
            child.start()
            jobs.work()
            child.join()

        def inner():
            metrics.begin()
        """,
    ),
    "a spawn context": app(
        jobs=POOL.replace("multiprocessing.Pool", 'multiprocessing.get_context("spawn").Pool'), main=MAIN
    ),
    "the program sets another start method": app(
        jobs=POOL,
        main=MAIN
        + """
    if __name__ == "__main__":
        import multiprocessing

        multiprocessing.set_start_method("spawn")
        main()
    """,
    ),
    "the thread that is started at import is that of a script": app(
        metrics="""
        import threading

        if __name__ == "__main__":
            threading.Thread(target=print).start()
        """,
        jobs=f"{dedent(JOBS)}\nfrom app import metrics\n",
    ),
    "an import for type checkers": app(
        metrics=AT_IMPORT,
        jobs=f"{dedent(JOBS)}\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app import metrics\n",
    ),
    "the threads end with their executor": app(
        metrics="""
        from concurrent.futures import ThreadPoolExecutor

        def begin():
            with ThreadPoolExecutor() as executor:
                return list(executor.map(print, range(9)))
        """,
        main=MAIN,
    ),
    "the threads are joined": app(
        metrics="""
        import threading

        def begin():
            threads = [threading.Thread(target=print) for _ in range(9)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        """,
        main=MAIN,
    ),
    "a thread that importing starts and ends": app(
        metrics="""
        import threading

        thread = threading.Thread(target=print)
        thread.start()
        thread.join()
        """,
        jobs=f"{dedent(JOBS)}\nfrom app import metrics\n",
    ),
    "the object's thread is stopped": app(
        metrics=MONITOR,
        main="""
        from app.jobs import work
        from app.metrics import Monitor

        def main():
            monitor = Monitor()
            monitor.start()
            monitor.join()
            work()
        """,
    ),
    "threads of an event loop that has ended": app(
        metrics="""
        import asyncio

        async def begin():
            await asyncio.to_thread(print)
        """,
        main="""
        import asyncio
        from app import jobs, metrics

        def main():
            asyncio.run(metrics.begin())
            jobs.work()
        """,
    ),
    "a thread that a generator starts and ends": app(
        metrics="""
        import threading

        def begin():
            thread = threading.Thread(target=print)
            thread.start()
            try:
                yield thread
            finally:
                thread.join()
        """,
        main="""
        from app import jobs, metrics

        def main():
            for thread in metrics.begin():
                print(thread)
            jobs.work()
        """,
    ),
    "a call of one of several": app(
        main="""
        from app import jobs, metrics

        class Quiet:
            def begin(self):
                print("quiet")

        class Loud:
            def begin(self):
                metrics.begin()

        class Service:
            def __init__(self, loud):
                self.mode = Loud() if loud else Quiet()

            def serve(self):
                self.mode.begin()
                jobs.work()
        """
    ),
    "a child that execs at once": app(
        jobs="""
        import os

        def work():
            if os.fork() == 0:
                os.execv("/bin/true", ["true"])
        """,
        main=MAIN,
    ),
    "threads are ended before each fork": app(
        metrics=f"{dedent(METRICS)}\nimport os\nos.register_at_fork(before=print)\n", main=MAIN
    ),
    "a module of another package that has the same name": app(metrics="def begin(): pass\n", main=MAIN)
    | {"other/__init__.py": "", "other/metrics.py": METRICS},
    "a function that is defined twice": app(
        metrics=f"{dedent(METRICS)}\ndef begin():\n    pass\n",
        main=MAIN,
    ),
    "the single file shows it and is silenced": app(
        jobs="""
        import os
        import threading

        threading.Thread(target=print).start()

        def work():
            os.fork()  # noqa: FRK301, FRK304
        """,
        main=MAIN,
    ),
}

#: What must be reported: the place, and the way from the thread start to the fork.
HITS: dict[str, tuple[Files, str, str]] = {
    "calls in order": (
        app(main=MAIN),
        "app/jobs.py:5: FRK301",
        "line 5 of app/metrics.py starts another (app.main.main calls app.metrics.begin, then calls app.jobs.work)",
    ),
    "a pool": (
        app(jobs=POOL, main=MAIN),
        "app/jobs.py:5: FRK302",
        "line 5 of app/metrics.py starts a thread (app.main.main calls app.metrics.begin, then calls app.jobs.work)",
    ),
    "through a module without any telling word": (
        app(
            setup="from .metrics import begin\n\ndef prepare():\n    begin()\n",
            main="""
            from .jobs import work
            from . import setup

            def main():
                setup.prepare()
                work()
            """,
        ),
        "app/jobs.py:5: FRK301",
        "app.main.main calls app.setup.prepare > app.metrics.begin, then calls app.jobs.work",
    ),
    "a thread that importing starts": (
        app(metrics=AT_IMPORT, jobs=f"{dedent(JOBS)}\nfrom . import metrics\n"),
        "app/jobs.py:5: FRK301",
        "line 4 of app/metrics.py starts another (app.jobs imports app.metrics)",
    ),
    "a thread that importing the package starts": (
        app(__init__="from app.metrics import begin\n\nbegin()\n"),
        "app/jobs.py:5: FRK301",
        "app.jobs imports app > app.metrics.begin",
    ),
    "a thread that a module between starts at import": (
        app(between="import app.metrics\n", metrics=AT_IMPORT, jobs=f"{dedent(JOBS)}\nimport app.between\n"),
        "app/jobs.py:5: FRK301",
        "app.jobs imports app.between > app.metrics",
    ),
    "names that a package hands on": (
        app(
            core__of____init__="from .threads import begin\n",
            core__of__threads=METRICS,
            main="""
            from app.core import begin
            from app.jobs import work

            def main():
                begin()
                work()
            """,
        ),
        "app/jobs.py:5: FRK301",
        "line 5 of app/core/threads.py starts another",
    ),
    "methods of objects, one kept in an attribute": (
        app(
            metrics="""
            import threading

            class Metrics:
                def open(self):
                    threading.Thread(target=print).start()
            """,
            jobs="""
            import multiprocessing

            class Jobs:
                def run(self):
                    multiprocessing.Process(target=print).start()
            """,
            main="""
            from app.jobs import Jobs
            from app.metrics import Metrics

            class Service:
                def __init__(self):
                    self.metrics = Metrics()

                def serve(self):
                    self.metrics.open()
                    jobs = Jobs()
                    jobs.run()
            """,
        ),
        "app/jobs.py:6: FRK302",
        "app.main.Service.serve calls app.metrics.Metrics.open, then calls app.jobs.Jobs.run",
    ),
    "a method of a base class": (
        app(
            metrics="""
            import threading

            class Base:
                def open(self):
                    threading.Thread(target=print).start()
            """,
            main="""
            from app.jobs import work
            from app.metrics import Base

            class Service(Base):
                def serve(self):
                    self.open()
                    work()
            """,
        ),
        "app/jobs.py:5: FRK301",
        "app.main.Service.serve calls app.metrics.Base.open, then calls app.jobs.work",
    ),
    "classes that are a thread and a process": (
        app(
            metrics=MONITOR,
            jobs=WORKER,
            main="""
            from app.jobs import Worker
            from app.metrics import Monitor

            def main():
                Monitor().start()
                worker = Worker()
                worker.start()
            """,
        ),
        "app/main.py:7: FRK302",
        "line 6 of app/main.py starts a thread (app.main.main starts it, then forks)",
    ),
    "an object at the top level of a module": (
        app(
            metrics="""
            import threading

            class Metrics:
                def open(self):
                    threading.Thread(target=print).start()

            metrics = Metrics()
            """,
            main="""
            from app.jobs import work
            from app.metrics import metrics

            def main():
                metrics.open()
                work()
            """,
        ),
        "app/jobs.py:5: FRK301",
        "app.main.main calls app.metrics.Metrics.open, then calls app.jobs.work",
    ),
    "the entry point of a script": (
        app(
            main="""
            import app.metrics
            import app.jobs

            if __name__ == "__main__":
                app.metrics.begin()
                app.jobs.work()
            """
        ),
        "app/jobs.py:5: FRK301",
        "app.main calls app.metrics.begin, then calls app.jobs.work",
    ),
    "scripts side by side in a folder": (
        {
            "bin/metrics.py": METRICS,
            "bin/tasks.py": JOBS,
            "bin/run.py": "import metrics\nimport tasks\nmetrics.begin()\ntasks.work()\n",
        },
        "bin/tasks.py:5: FRK301",
        "run calls metrics.begin, then calls tasks.work",
    ),
    "the thread itself forks": (
        app(
            metrics="""
            import threading
            from app.jobs import work

            def begin():
                threading.Thread(target=work).start()
            """
        ),
        "app/jobs.py:5: FRK301",
        "line 6 of app/metrics.py starts another (it runs app.jobs.work)",
    ),
    "a source folder": (
        {f"src/{path}": text for path, text in app().items()} | {"tools/go.py": MAIN},
        "src/app/jobs.py:5: FRK301",
        "go.main calls app.metrics.begin, then calls app.jobs.work",
    ),
    "a start method that the program sets": (
        app(jobs=POOL, main=f"import multiprocessing\nmultiprocessing.set_start_method('fork')\n{dedent(MAIN)}"),
        "app/jobs.py:5: FRK302",
        "this Pool is forked, and line 5 of app/metrics.py starts a thread",
    ),
}

Check = Callable[..., str]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Check:
    """Writes a program and returns what the command says of it."""

    def check(files: Files, *arguments: str) -> str:
        for path, text in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dedent(text), encoding="utf-8")
        monkeypatch.chdir(tmp_path)
        status = cli.report(["--target-version=3.11", "--quiet", *arguments])
        said = capfd.readouterr()
        assert said.err == ""
        assert status == (1 if said.out else 0)
        return said.out

    return check


def concise(check: Check, files: Files, *arguments: str) -> str:
    return check(files, "--output-format=concise", "--select=FRK301,FRK302", *arguments)


@pytest.mark.parametrize("files", NEAR_MISSES.values(), ids=NEAR_MISSES)
def test_is_silent_where_the_program_shows_no_thread_before_the_fork(check: Check, files: Files) -> None:
    assert concise(check, files, "--program") == ""


@pytest.mark.parametrize(("files", "place", "how"), HITS.values(), ids=HITS)
def test_reports_the_fork_and_the_way_to_it(check: Check, files: Files, place: str, how: str) -> None:
    (line,) = concise(check, files, "--program").splitlines()
    path, number, _, rest = line.split(":", 3)
    assert f"{path}:{number}: {rest.split()[0]}" == place
    assert how in rest


@pytest.mark.parametrize("files", [files for files, _, _ in HITS.values()], ids=HITS)
def test_each_file_alone_shows_nothing(check: Check, files: Files) -> None:
    assert concise(check, files) == ""


def test_what_a_single_file_shows_is_reported_once(check: Check) -> None:
    files = app(jobs=f"{dedent(JOBS)}\nimport threading\nthreading.Thread(target=print).start()\n", main=MAIN)
    alone = concise(check, files)
    assert alone.count("FRK301") == 1
    assert concise(check, files, "--program") == alone


def test_configuration_turns_it_on_and_the_command_line_off(check: Check) -> None:
    files = app(main=MAIN) | {"pyproject.toml": "[tool.forksafe]\nprogram = true\n"}
    assert "FRK301" in concise(check, files)
    assert concise(check, files, "--no-program") == ""


def test_comments_selections_and_patterns_silence_it(check: Check) -> None:
    noted = app(jobs=dedent(JOBS).replace("os.fork()", "os.fork()  # noqa: FRK301"), main=MAIN)
    assert concise(check, noted, "--program") == ""
    assert concise(check, app(main=MAIN), "--program", "--ignore=FRK301") == ""
    ignored = {"pyproject.toml": '[tool.forksafe.per-file-ignores]\n"app/jobs.py" = ["FRK301"]\n'}
    assert concise(check, app(main=MAIN) | ignored, "--program") == ""


def test_a_baseline_knows_it(tmp_path: Path, check: Check) -> None:
    concise(check, app(main=MAIN), "--program", "--write-baseline=known.json")
    assert '"FRK301"' in (tmp_path / "known.json").read_text(encoding="utf-8")
    assert concise(check, {}, "--program", "--baseline=known.json") == ""


def test_every_format_names_the_file_of_the_thread(check: Check) -> None:
    files = app(main=MAIN)
    text = check(files, "--program", "--select=FRK301")
    assert "= a thread is started here (app/metrics.py:5)\n5 |     threading.Thread(" in text
    (finding,) = json.loads(check({}, "--program", "--select=FRK301", "--output-format=json"))["findings"]
    assert (finding["path"], finding["related"][0]["path"]) == ("app/jobs.py", "app/metrics.py")
    (run,) = json.loads(check({}, "--program", "--select=FRK301", "--output-format=sarif"))["runs"]
    (related,) = run["results"][0]["relatedLocations"]
    assert related["physicalLocation"]["artifactLocation"]["uri"] == "app/metrics.py"
    for name in ("github", "gitlab"):
        assert "line 5 of app/metrics.py" in check({}, "--program", "--select=FRK301", f"--output-format={name}")


def test_processes_find_the_same(check: Check) -> None:
    files = HITS["through a module without any telling word"][0]
    assert concise(check, files, "--program", "--jobs=2") == concise(check, {}, "--program", "--jobs=1") != ""


@pytest.mark.parametrize(("more", "status"), [({}, 1), ({"broken": "import threading\n)\n"}, 2)], ids=["", "broken"])
def test_the_installed_command_takes_the_option(tmp_path: Path, more: Files, status: int) -> None:
    for path, text in app(main=MAIN, **more).items():
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    done = subprocess.run(
        [SCRIPTS / "forksafe", "--program", "--output-format=concise", "--target-version=3.11"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == status
    assert done.stdout.startswith("app/jobs.py:5:11: FRK301 ")


def test_names_and_classes_that_go_round_in_circles_come_to_an_end(check: Check) -> None:
    files = app(
        metrics=f"{dedent(METRICS)}\nfrom app.jobs import loop\nfrom app.metrics import A\n\nclass A(A.B): pass\n",
        jobs=f"{dedent(JOBS)}\nfrom app.metrics import loop\n",
        main=f"{dedent(MAIN)}\nfrom app.metrics import A, loop\n\nclass B(A, loop.C): pass\n\nB().start()\nloop()\n",
    )
    assert concise(check, files, "--program").count("\n") == 1


def test_the_page_shows_what_the_command_says(check: Check) -> None:
    section = USAGE.read_text(encoding="utf-8").split("## A whole program\n")[1].split("\n## ")[0]
    files = dict(re.findall(r"`(app/\w+\.py)`:\n\n```python\n(.*?)```", section, re.DOTALL))
    assert len(files) == 3
    (said,) = re.findall(r"```console\n\$ forksafe [^\n]*\n(.*?)```", section, re.DOTALL)
    assert check(files | {"app/__init__.py": ""}, "--program", "--output-format=concise") == said


def test_where_it_has_no_meaning_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clean.py").write_text("import os\n", encoding="utf-8")
    assert cli.fix(["--program", "clean.py"]) == 0
    assert "note: --program only reports" in capfd.readouterr().err
    assert cli.report(["--program", "-"]) == 2
    assert "leave - out" in capfd.readouterr().err
