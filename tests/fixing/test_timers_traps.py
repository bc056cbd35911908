"""The traps of fixing timers: the flag before the start, the cancel in a finally, and where neither is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from traps import assert_becomes, assert_left_alone, repair, run, safety

from flake8_forksafe.fix import Safety

# -- FRK401: daemon = True -------------------------------------------------------------------------------------------


def test_the_flag_is_set_before_start() -> None:
    assert_becomes(
        "FRK401",
        """
        import threading

        def tick(interval):
            print("tick")
            timer = threading.Timer(interval, tick, args=(interval,))  # once more
            timer.name = "tick"
            timer.start()
        """,
        """
        import threading

        def tick(interval):
            print("tick")
            timer = threading.Timer(interval, tick, args=(interval,))  # once more
            timer.daemon = True
            timer.name = "tick"
            timer.start()
        """,
    )


def test_a_chained_start_is_taken_apart_with_a_free_name() -> None:
    assert_becomes(
        "FRK401",
        """
        import threading

        timer = None

        def tick(interval):
            # again
            threading.Timer(
                interval,  # seconds
                tick,
                [interval],
            ).start()  # forever
        """,
        """
        import threading

        timer = None

        def tick(interval):
            # again
            next_timer = threading.Timer(
                interval,  # seconds
                tick,
                [interval],
            )
            next_timer.daemon = True
            next_timer.start()  # forever
        """,
    )


def test_a_false_flag_is_made_true() -> None:
    assert_becomes(
        "FRK401",
        """
        from threading import Timer

        def tick():
            t = Timer(1, tick)
            t.daemon = False
            t.start()
        """,
        """
        from threading import Timer

        def tick():
            t = Timer(1, tick)
            t.daemon = True
            t.start()
        """,
    )


def test_a_daemon_timer_is_cut_in_mid_callback_so_the_fix_is_unsafe() -> None:
    source = """
        import threading

        def tick():
            threading.Timer(1, tick).start()
        """
    assert safety("FRK401", source) is Safety.UNSAFE
    assert_left_alone("FRK401", source, unsafe=False)


def test_the_flag_of_a_function_that_arms_anything_would_hold_for_others() -> None:
    assert_left_alone(
        "FRK401",
        """
        import threading

        def later(delay, callback):
            timer = threading.Timer(delay, callback)
            timer.start()

        def beat():
            later(1, beat)
        """,
    )


def test_a_line_that_is_shared_is_left_alone() -> None:
    assert_left_alone(
        "FRK401",
        """
        import threading

        def tick():
            timer = threading.Timer(1, tick); timer.start()
        """,
    )


def test_the_fixed_program_ends(tmp_path: Path) -> None:
    done = run(
        "FRK401",
        """
        import threading

        def tick():
            print("tick", flush=True)
            threading.Timer(0.05, tick).start()

        if __name__ == "__main__":
            tick()
            threading.Event().wait(0.3)
        """,
        tmp_path,
    )
    assert done.returncode == 0
    assert done.stdout.count("tick") >= 2


# -- FRK401: a loop on Event.wait ------------------------------------------------------------------------------------

_REFRESHER = """
import threading


class Refresher:
    def __init__(self, cache):
        self.cache = cache
        self._timer = None

    def start(self):
        self._timer = threading.Timer(0.05, self._refresh)
        self._timer.start()

    def _refresh(self):
        self.cache.reload()  # slow
        {before}
        self._timer = threading.Timer({interval}, self._refresh)
        {between}
        self._timer.start()
        {after}

    def stop(self):
        if self._timer is not None:
            self._timer.cancel()
        {stop}
"""


def refresher(before: str = "", interval: str = "0.05", between: str = "", after: str = "", stop: str = "") -> str:
    text = _REFRESHER.format(before=before, interval=interval, between=between, after=after, stop=stop)
    return "\n".join(line for line in text.splitlines() if line != "        ") + "\n"


def test_a_class_that_arms_last_gets_one_thread() -> None:
    assert safety("FRK401", refresher()) is Safety.UNSAFE
    assert_becomes(
        "FRK401",
        refresher(),
        """
        import threading


        class Refresher:
            def __init__(self, cache):
                self.cache = cache
                self._timer = None

            def start(self):
                self._stopped = threading.Event()
                self._timer = threading.Thread(target=self._refresh, daemon=True)
                self._timer.start()

            def _refresh(self):
                stopped = self._stopped
                while not stopped.wait(0.05):
                    self.cache.reload()  # slow

            def stop(self):
                if self._timer is not None:
                    self._stopped.set()
        """,
    )


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(refresher(after="self.cache.reload()"), id="work behind the arming may overlap"),
        pytest.param(refresher(interval="0.1"), id="the first interval is another"),
        pytest.param(refresher(before="pause = 1", interval="pause"), id="the interval is computed"),
        pytest.param(refresher(between="self._timer.name = 'x'"), id="the timer is set up"),
        pytest.param(refresher(stop="self._timer.join()"), id="a timer is joined"),
        pytest.param(refresher(stop="return self._timer"), id="the timer is handed out"),
        pytest.param(refresher(stop="self._refresh()"), id="the callback is called"),
        pytest.param(refresher() + "\n\nclass Other(Refresher):\n    pass\n", id="a subclass"),
        pytest.param(refresher() + "\n\ndef f(r):\n    r._timer.cancel()\n", id="somebody else cancels"),
        pytest.param(refresher().replace("self._timer.cancel()", "pass"), id="nobody cancels"),
    ],
)
def test_any_other_shape_gets_the_flag(source: str) -> None:
    fixed = repair("FRK401", source).data.decode()
    assert "self._timer.daemon = True\n" in fixed
    assert "stopped" not in fixed


def test_the_loop_ends_with_stop_and_without(tmp_path: Path) -> None:
    program = """

class Cache:
    count = 0

    def reload(self):
        self.count += 1


def main():
    cache = Cache()
    refresher = Refresher(cache)
    refresher.start()
    threading.Event().wait(0.5)
    refresher.stop()
    threading.Event().wait(0.2)
    seen = cache.count
    threading.Event().wait(0.3)
    print(seen > 1, cache.count == seen, threading.active_count())
    refresher.start()


if __name__ == "__main__":
    main()
"""
    done = run("FRK401", refresher() + program, tmp_path)
    assert (done.returncode, done.stdout) == (0, "True True 1\n")


# -- FRK402: try / finally -------------------------------------------------------------------------------------------


def test_comments_and_the_result_keep_their_places() -> None:
    assert_becomes(
        "FRK402",
        """
        import threading

        def solve(model, limit):
            alarm = threading.Timer(limit, model.interrupt)
            alarm.start()

            # the work
            result = model.optimize()  # slow

            # no alarm any more
            alarm.cancel()  # in time
            return result
        """,
        """
        import threading

        def solve(model, limit):
            alarm = threading.Timer(limit, model.interrupt)
            alarm.start()

            # the work
            try:
                result = model.optimize()  # slow
            finally:
                # no alarm any more
                alarm.cancel()  # in time
            return result
        """,
        unsafe=False,
    )


def test_a_try_that_is_there_gets_the_finally() -> None:
    assert_becomes(
        "FRK402",
        """
        import threading

        def read(port):
            timer = threading.Timer(2.0, port.abort)
            timer.start()
            value = None
            try:
                value = port.read()
            except ValueError:
                pass
            timer.cancel()
            return value
        """,
        """
        import threading

        def read(port):
            timer = threading.Timer(2.0, port.abort)
            timer.start()
            value = None
            try:
                value = port.read()
            except ValueError:
                pass
            finally:
                timer.cancel()
            return value
        """,
    )


def test_a_loop_over_timers_moves_as_a_whole() -> None:
    assert_becomes(
        "FRK402",
        """
        import threading

        def copy(parts):
            timers = [threading.Timer(1, p.abort) for p in parts]
            for t in timers:
                t.start()
            for p in parts:
                if p.empty:
                    continue
                p.copy()
            for t in timers:
                t.cancel()
        """,
        """
        import threading

        def copy(parts):
            timers = [threading.Timer(1, p.abort) for p in parts]
            for t in timers:
                t.start()
            try:
                for p in parts:
                    if p.empty:
                        continue
                    p.copy()
            finally:
                for t in timers:
                    t.cancel()
        """,
    )


def test_a_return_may_skip_the_cancel_on_purpose() -> None:
    assert_left_alone(
        "FRK402",
        """
        import threading

        def watch(device, notify):
            timer = threading.Timer(60, notify)
            timer.start()
            if device.detach():
                return timer
            device.work()
            timer.cancel()
        """,
    )


@pytest.mark.parametrize("leaving", ["continue", "break"])
def test_so_may_leaving_the_loop_around(leaving: str) -> None:
    assert_left_alone(
        "FRK402",
        f"""
        import threading

        def watch(devices, notify):
            for device in devices:
                timer = threading.Timer(60, notify)
                timer.start()
                if device.detach():
                    {leaving}
                device.work()
                timer.cancel()
        """,
    )


def test_a_cancel_on_another_branch_is_left_alone() -> None:
    assert_left_alone(
        "FRK402",
        """
        import threading

        def watch(device, notify):
            timer = threading.Timer(60, notify)
            timer.start()
            done = device.work()
            if done:
                timer.cancel()
        """,
    )


def test_the_fixed_program_does_not_wait_for_the_timer(tmp_path: Path) -> None:
    done = run(
        "FRK402",
        """
        import threading

        def work(text="broken"):
            return int(text)

        def main():
            timer = threading.Timer(60, print, args=("fired",))
            timer.start()
            work()
            timer.cancel()

        if __name__ == "__main__":
            main()
        """,
        tmp_path,
    )
    assert done.returncode == 1
    assert "ValueError" in done.stdout
    assert "fired" not in done.stdout
