"""Speed, beside peers in the same run. Figures are ratios: a machine that is busy is busy for both."""
