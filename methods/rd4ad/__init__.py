"""Reverse distillation: a decoder rebuilds the features of a frozen teacher."""
