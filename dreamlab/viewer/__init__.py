"""A run or a mesh in a browser: pictures are rendered here and sent to it, and what is clicked comes back.

`window` is the page and its server, `panel` what can be clicked, `sources` what can be looked at, `watch`
a consumer of a run's events, `follow` a run of another process or a finished one.
"""
