"""RAD: a flow with meta-learning, uncertainty-guided L2, soft refinement and tuned rates."""
