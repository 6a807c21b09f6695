"""DRAEM."""
