"""Single cases of a submission: truth, answer and error, of the splits that its reader may see case by case."""
