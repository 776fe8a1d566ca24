"""A tensor program line by line: its listing, its rows, and the limits of a line's vector or average."""
