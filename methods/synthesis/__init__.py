"""Synthetic anomalies in images: Perlin masks and textures, shared by several methods."""
