"""Verdicts on whether a printed number, or one recorded earlier, is met by what was achieved."""
