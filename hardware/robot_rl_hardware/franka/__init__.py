"""A Franka Research 3 and its hand, driven through pylibfranka by processes of their own."""
