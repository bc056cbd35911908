"""The plugin measured on real code: accuracy by labels, cost beside flake8."""
