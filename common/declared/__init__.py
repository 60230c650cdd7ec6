"""Use cases about declared syncs: see, write and delete their documents, wherever they live."""
