"""Evaluations of images on an engine, against the same images driven by hand."""
