"""What a run is made of: the loop, its state, and who watches it."""
