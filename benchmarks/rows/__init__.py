"""One module for each row: `measure` writes into the book and gives the charts; the first panel stands for the row."""
