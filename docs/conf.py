"""Sphinx configuration; the build needs no network."""

from __future__ import annotations

from flake8_forksafe import __version__

project = "flake8-forksafe"
author = "the flake8-forksafe contributors"
copyright = f"{author}; MIT licence"  # noqa: A001 - the name Sphinx reads
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"flake8-forksafe {__version__}"
