"""Turns fixes into changed source, through libcst. The only package that imports it."""
