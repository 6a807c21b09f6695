"""DifferNet: a normalising flow over pooled multi-scale features."""
