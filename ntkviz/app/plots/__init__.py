"""What a picture is made of: panels and the plots in them. They are given numbers and compute no limit."""
