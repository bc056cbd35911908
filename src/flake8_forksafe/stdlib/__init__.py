"""What the calls of the standard library mean, as data: one table per module."""
