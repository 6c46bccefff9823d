"""Models of Hugging Face: found, fetched, loaded, and run, whatever part of the service they serve."""
