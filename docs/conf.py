"""Sphinx configuration; the build needs no network."""

from __future__ import annotations

import sys
from pathlib import Path

from flake8_forksafe import __version__

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "flake8-forksafe"
author = "the flake8-forksafe contributors"
copyright = f"{author}; MIT licence"  # noqa: A001 - the name Sphinx reads
version = release = __version__

extensions = ["myst_parser", "sequence_diagram"]
exclude_patterns = ["_build"]
myst_fence_as_directive = ["sequence"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"flake8-forksafe {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
