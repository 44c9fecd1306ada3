"""A Franka Research 3 or a Panda, and its hand, driven through libfranka by processes of their own."""
