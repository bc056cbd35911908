"""One hazard, one file: documentation, declaration and check. `flake8_forksafe.registry` finds the files by name."""
