"""The beacon side of the devnet: one simulated chain that follows anvil, seen through several nodes that misbehave on demand."""
