"""Use cases: start, cancel and show tasks; the checks of what callers send."""
