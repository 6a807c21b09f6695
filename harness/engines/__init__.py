"""Engines: ways to get cells run. Which one it was shows in no key and no result.

The store is the durable queue; an engine only starts work and listens. `base` has what all share;
each engine lies in a module of its own, which is imported when it is asked for.
"""
