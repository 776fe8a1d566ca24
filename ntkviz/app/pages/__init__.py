"""A page's picture: controls above plots, what answers a move, and what goes to the browser."""
