"""A tensor program line by line: its listing, its score, and what a line's vector or average tends to."""
