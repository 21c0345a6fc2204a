"""Darknet's own files: `.weights` today, `.cfg` later."""
