"""Files for the command-line client: the client itself, the data of a trial run, and the program that runs it."""
