"""The consensus layer: several beacon nodes, agreed heads and blocks, and whole states as numpy views."""
