"""CS-Flow: a normalising flow over feature maps of three scales at once."""
