"""RIAD."""
