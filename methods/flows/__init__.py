"""The core that every method on a flow over pooled features shares: DifferNet's flow, trained."""
