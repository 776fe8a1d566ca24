"""The dashboard: Voilà with our template and warm kernels, and what strangers may ask of it."""
