"""Stands for what pip puts beside the code."""

GREETING = "Hello"
