"""The dashboard: Voilà with our template and preheated kernels, and restrictions on what a page may request."""
