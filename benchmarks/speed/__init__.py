"""What the plugin adds to a flake8 run: CPU and wall time, start-up, peak memory."""
