"""Never runs: the image's command is wrong."""
