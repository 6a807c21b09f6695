"""One-shot removal, iterative refinement and MLD-IR: DifferNet that drops suspicious images."""
