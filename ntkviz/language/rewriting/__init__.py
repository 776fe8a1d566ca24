"""Programs written otherwise with the same meaning: in full, unrolled, or with their loops found."""
