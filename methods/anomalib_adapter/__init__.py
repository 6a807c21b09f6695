"""Models of the library anomalib, run by this harness as ``anomalib:<Model>``."""
