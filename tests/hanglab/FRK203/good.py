"""Each side closes the end it does not use."""

from __future__ import annotations

import os


def in_child() -> bytes:
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read_fd)
            os.write(write_fd, b"answer")
        finally:
            os._exit(0)
    os.close(write_fd)
    with os.fdopen(read_fd, "rb") as reader:
        answer = reader.read()
    os.waitpid(pid, 0)
    return answer


print(f"main: {in_child().decode()}")
print("main: done")
