"""`report.html`: what a run directory holds, on one self-contained page."""
