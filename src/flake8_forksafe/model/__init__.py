"""What a module does with processes, pipes, threads, timers and locks, as questions that rules can ask."""

from __future__ import annotations

from flake8_forksafe.model.module import ModuleModel

__all__ = ["ModuleModel"]
