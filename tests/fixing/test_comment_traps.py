"""What people wrote around a statement that a fix takes away stays: its comments go to the next one."""

from __future__ import annotations

from traps import assert_becomes


def test_comments_above_a_removed_statement_go_to_the_next_one() -> None:
    assert_becomes(
        "FRK102",
        """
        import subprocess

        def f(cmd):
            p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

            # the output
            out = p.stdout.read()
            # what went wrong
            err = p.stderr.read()
            # the end of it
            p.wait()

            # say it
            return out, err
        """,
        """
        import subprocess

        def f(cmd):
            p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

            # the output
            out, err = p.communicate()
            # what went wrong
            # the end of it

            # say it
            return out, err
        """,
    )


def test_comments_above_a_removed_last_statement_end_its_block() -> None:
    assert_becomes(
        "FRK102",
        """
        import subprocess

        def f(cmd):
            p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out = p.stdout.read()
            # the end of it
            p.wait()
            # no more

        # next
        """,
        """
        import subprocess

        def f(cmd):
            p = subprocess.Popen(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            out, _ = p.communicate()
            # the end of it
            # no more

        # next
        """,
    )


def test_comments_at_the_end_of_a_module_stay() -> None:
    assert_becomes(
        "FRK102",
        """
        import subprocess

        p = subprocess.Popen(["ls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out = p.stdout.read()
        # the end of it
        p.wait()
        """,
        """
        import subprocess

        p = subprocess.Popen(["ls"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, _ = p.communicate()
        # the end of it
        """,
    )
