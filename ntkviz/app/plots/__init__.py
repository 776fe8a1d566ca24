"""The panels and plots of pictures. They are given numbers, and compute no limits."""
