"""A file is replaced in one step, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from flake8_forksafe import writing
from flake8_forksafe.writing import WriteError

OLD, NEW = b"old\n", b"new\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.py"
    path.write_bytes(OLD)
    return path


def replace(path: Path, *, old: bytes = OLD) -> None:
    writing.replace(str(path), old=old, new=NEW)


def test_the_new_content_is_there_and_nothing_else(file: Path) -> None:
    replace(file)
    assert file.read_bytes() == NEW
    assert list(file.parent.iterdir()) == [file]


def test_who_has_the_file_open_still_reads_the_old_content(file: Path) -> None:
    with file.open("rb") as reader:
        replace(file)
        assert reader.read() == OLD


@pytest.mark.parametrize("mode", [0o644, 0o755, 0o600, 0o664, 0o4750])
def test_the_mode_stays(file: Path, mode: int) -> None:
    file.chmod(mode)
    replace(file)
    assert stat.S_IMODE(file.stat().st_mode) == mode


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_owner_and_group_stay(file: Path) -> None:
    os.chown(file, 12345, 54321)
    file.chmod(0o6755)
    replace(file)
    status = file.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (12345, 54321, 0o6755)


def test_the_file_looks_changed_to_make(file: Path) -> None:
    os.utime(file, (1, 1))
    replace(file)
    assert file.stat().st_mtime > 1


def test_extended_attributes_stay(file: Path) -> None:
    try:
        os.setxattr(file, "user.forksafe", b"kept")
    except (AttributeError, OSError):
        pytest.skip("no extended attributes here")
    replace(file)
    assert os.getxattr(file, "user.forksafe") == b"kept"


def test_a_symbolic_link_stays_and_its_target_is_replaced(file: Path, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    link = tmp_path / "sub" / "link.py"
    link.symlink_to("../file.py")
    replace(link)
    assert link.is_symlink()
    assert file.read_bytes() == NEW
    assert list((tmp_path / "sub").iterdir()) == [link]


def test_a_file_that_someone_else_has_changed_stays(file: Path) -> None:
    with pytest.raises(WriteError, match="changed"):
        replace(file, old=b"what was read\n")
    assert file.read_bytes() == OLD
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_has_gone_does_not_come_back(file: Path) -> None:
    file.unlink()
    with pytest.raises(WriteError, match="No such file"):
        replace(file)
    assert list(file.parent.iterdir()) == []


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.py")
    with pytest.raises(WriteError, match="no regular file"):
        replace(tmp_path / "fifo.py")
    assert stat.S_ISFIFO((tmp_path / "fifo.py").stat().st_mode)


def test_a_long_name_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / f"{'n' * 250}.py"
    path.write_bytes(OLD)
    replace(path)
    assert path.read_bytes() == NEW


def test_a_folder_that_cannot_be_written_is_one_clear_line(file: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    file.parent.chmod(0o555)
    try:
        with pytest.raises(WriteError, match="Permission denied"):
            replace(file)
    finally:
        file.parent.chmod(0o755)
    assert file.read_bytes() == OLD
