"""A flake8 plugin that finds Python code that will hang: undrained pipes, forks that meet threads, lost children."""

from __future__ import annotations

__version__ = "0.1.0"
