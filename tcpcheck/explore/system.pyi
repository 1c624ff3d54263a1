class Handle:
    """Carries a transition system from the model that owns it to the search."""
