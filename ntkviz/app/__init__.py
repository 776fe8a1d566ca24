"""The teaching application: widgets, plots and the dashboard. The only folder that knows them."""
