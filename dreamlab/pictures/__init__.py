"""Pictures that a user has: read, cut out of their background, framed as cameras see the unit sphere."""
