"""What a `preexec_fn` can do that a keyword of `Popen`, or a program in front of the command, does as well.

Sources: https://docs.python.org/3/library/subprocess.html#popen-constructor for the keywords and their versions;
`_posixsubprocess.c` for their order and for `restore_signals`; the manual pages of the programs.
"""

from __future__ import annotations

from typing import NamedTuple


class Keyword(NamedTuple):
    """A keyword of Popen and the first Python that has it; `{0}` stands for the text of the call's first argument."""

    text: str
    since: tuple[int, int]


PROCESS_GROUP = Keyword("process_group=0", (3, 11))
START_NEW_SESSION = Keyword("start_new_session=True", (3, 2))

#: Calls without a meaningful argument.
PLAIN = {"os.setsid": START_NEW_SESSION, "os.setpgrp": PROCESS_GROUP}

#: Calls whose arguments the keyword takes over.
WITH_ARGUMENTS = {
    "os.umask": Keyword("umask={0}", (3, 9)),
    "os.setuid": Keyword("user={0}", (3, 9)),
    "os.setreuid": Keyword("user={0}", (3, 9)),
    "os.setresuid": Keyword("user={0}", (3, 9)),
    "os.setgid": Keyword("group={0}", (3, 9)),
    "os.setregid": Keyword("group={0}", (3, 9)),
    "os.setresgid": Keyword("group={0}", (3, 9)),
    "os.setgroups": Keyword("extra_groups={0}", (3, 9)),
    "os.initgroups": Keyword("extra_groups=os.getgrouplist({0}, {1})", (3, 9)),
    "os.chdir": Keyword("cwd={0}", (3, 0)),
}

#: Calls that can set the real id and the effective id apart; the keywords set them all.
SEVERAL_IDS = frozenset({"os.setreuid", "os.setresuid", "os.setregid", "os.setresgid"})

#: Programs that do the same to themselves and then become the command given to them.
PROGRAMS = {
    "os.nice": "nice",
    "os.setpriority": "nice",
    "os.chroot": "chroot",
    "os.sched_setaffinity": "taskset",
    "os.sched_setscheduler": "chrt",
    "resource.setrlimit": "prlimit",
    "resource.prlimit": "prlimit",
}

#: The signals that `restore_signals=True`, the default, sets back to SIG_DFL before the exec.
RESTORED_SIGNALS = frozenset({"signal.SIGPIPE", "signal.SIGXFZ", "signal.SIGXFSZ"})
