"""Jobs over HTTP: a queue on disk, processes that work it off, and the application that takes requests."""
