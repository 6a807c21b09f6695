"""The first stage of MeDS, memory-based selection of training images, in front of other methods."""
