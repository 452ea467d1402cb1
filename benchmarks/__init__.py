"""Speed, beside peers in the same run. Figures are ratios: a machine that is busy is busy for both.

Rule: ours and theirs take turns, pair by pair, on the same tree; a line of the table says its bar and whether this run
met it. Refusal: nothing here fails because a machine is slow, and nothing here is a test.

    __main__  the command line        book    every run, and the lines of the table
    rows/     one module for each     table   README.md, runs.json
    stage     trees, clouds, peers    charts  the pictures

A new row is a module in `rows/` with `measure(stage, book)`, and its name in `__main__`.
"""
