"""Results in one flat table, what they say, and how they are drawn. Nothing here needs torch."""
