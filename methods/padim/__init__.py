"""PaDiM: a Gaussian of backbone features at every position."""
