"""Many prompts, seeds and presets in one folder: a table of jobs, worked on until every one has ended."""
