"""Plots of what a network learns, and of how its kernel says so before."""
