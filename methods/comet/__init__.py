"""CoMet: soft confident learning and meta-learning on DifferNet's flow."""
