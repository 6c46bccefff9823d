"""Batch jobs: what Ray runs beside the service."""
