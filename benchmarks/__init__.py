"""Speed, beside peers in the same run. Figures are ratios: a machine that is busy is busy for both.

Rule: ours and theirs take turns, pair by pair, on the same tree; a line of the table says its bar and whether this run
met it. Refusal: nothing here fails because a machine is slow, and nothing here is a test.
"""
