"""Runs of declared syncs: which are due, what their reads are given, and what is known of them."""
