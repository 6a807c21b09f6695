"""SimpleNet: a discriminator between patch features and the same with noise."""
