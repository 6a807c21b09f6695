"""Audit of printed numbers: checks that need nothing but what a table or a text prints.

A `ledger.Ledger` holds every printed number; each family of checks is a module of pure functions
from a ledger to findings; `run` calls them all. No finding is written down anywhere, and none is an
accusation: a finding says what is printed, what follows from other printed numbers, and how far
apart they are.
"""
