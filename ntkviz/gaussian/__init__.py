"""Expectations of nonlinearities under Gaussians, each with a statement of its error."""
