"""What the site hands to the command-line client: the file itself, the trial of a phase, the program that runs it."""
