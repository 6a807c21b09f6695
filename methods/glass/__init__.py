"""GLASS: a discriminator trained on anomalies made in feature space and in image space."""
