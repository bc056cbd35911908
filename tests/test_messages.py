"""What a finding says: one line that names the matter, says why it hangs, and ends with what to write instead."""

from __future__ import annotations

import re

import pytest
from fixture_cases import FIXTURES, read_cases

from flake8_forksafe import registry

#: How the part behind the last semicolon begins.
_INSTRUCTION = re.compile(
    r"(?:add|call|close|compare|drop|end|fork|keep|leave|let|loop|move|pass|put|start|stop|use|wait|write) \S"
)


@pytest.mark.parametrize("code", registry.rules())
def test_a_message_ends_with_what_to_write(code: str) -> None:
    messages = {
        finding.message
        for case in read_cases(FIXTURES / code / "bad.py")
        for finding in case.check()
        if finding.code == code
    }
    assert messages
    for message in messages:
        reason, semicolon, instead = message.rpartition("; ")
        assert semicolon, message
        assert _INSTRUCTION.match(instead), message
        assert len(reason) > 30, message
        assert message.isprintable()
        assert not message.endswith((".", ":")), message
        assert len(message) <= 225, message
