"""The card of a preset, made from facts: counted, read from configs, or measured with evidence."""
