"""A Trace, or the verdicts of a spec, as people and tools read them: one module for each format."""
