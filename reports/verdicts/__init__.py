"""Verdicts for people and machines: text, JSON, JUnit XML, GitHub annotations and summary."""
