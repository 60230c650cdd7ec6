"""What a person sees: the console, tables, progress, and how figures are written."""
