"""The page of the report: what stands on it, in words, and its HTML."""
