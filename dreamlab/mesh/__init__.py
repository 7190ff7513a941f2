"""From a field to a file: extract -> clean -> unwrap -> bake -> export, and load for the way back."""
