"""One run: its settings, its folder, its walk from prompt to files."""
