"""A page's picture: controls above plots, the computations that follow a change, and the traffic to the browser."""
