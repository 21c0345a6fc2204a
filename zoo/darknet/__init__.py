"""Darknet's own files, `.cfg` and `.weights`, both ways."""
