"""Declared syncs: the document, what is checked of it, and when it runs. Pure: nothing here reads or writes."""
