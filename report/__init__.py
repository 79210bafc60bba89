"""The page of `make report`: queries/ asks the tables, figures/ draws, page/ writes."""
