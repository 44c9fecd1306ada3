"""The actor's side of a run: environments, policies, and what runs them."""
