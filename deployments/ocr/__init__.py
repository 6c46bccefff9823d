"""Reading the words that are written in a picture: where its lines of text are, and what each says."""
