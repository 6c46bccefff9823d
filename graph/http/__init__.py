"""HTTP, version 1: schemas, the error table, limits, routes and the page. Knows the catalogue by its shape only."""
