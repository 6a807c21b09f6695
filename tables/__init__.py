"""Tables: tidy result frames become a paper's table.

`papers` reads published tables, which are data (TOML and CSV below ``papers/``); `aggregate` takes
means over seeds and categories; `model` lays achieved and reported numbers out side by side;
`formatting` is the only place that turns a number into digits. Nothing here draws or prints.
"""
