"""The charts of the report: each function turns rows of its query into a plotly figure.

It returns None when the rows leave nothing to draw.
"""
