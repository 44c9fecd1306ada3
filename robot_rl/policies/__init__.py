"""Base policies: frozen imitation policies that predict chunks of actions, and what executes the chunks."""
