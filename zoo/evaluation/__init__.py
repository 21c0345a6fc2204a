"""Scores of a detector on a data source: COCO metrics, tables and pictures."""
