"""Files: read and written."""
