"""Reports: the model of a table becomes terminal text, CSV, Markdown, LaTeX, HTML and figures.

`build.build_report` writes all of them. Every file is a pure function of the model and the
context: no clock, no host name, the same bytes each time.
"""
