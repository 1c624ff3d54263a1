"""Does a capture agree with the model? Readers of captures, and the search for what the application did."""
