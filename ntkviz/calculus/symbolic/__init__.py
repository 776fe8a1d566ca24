"""The Z calculus by exact algebra: limits Z as sums of products of functions of Gaussians."""
