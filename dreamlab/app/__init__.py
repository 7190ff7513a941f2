"""The local web app: a library of runs, what can be done with them, and its pages."""
