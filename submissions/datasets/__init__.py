"""Make a dataset from a table: read it, split it by patient, store its images, record its hash."""
