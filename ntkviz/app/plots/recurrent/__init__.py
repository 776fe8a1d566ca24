"""The plots of recurrent networks."""
