"""One program, three readings: at finite width, at infinite width, and as text (`ntkviz.language`)."""
