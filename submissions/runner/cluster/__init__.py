"""Evaluations as jobs of a batch system: a job holds a whole run, and its containers are started by runc inside it."""
