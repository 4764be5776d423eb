"""Run a challenge in the browser: datasets by upload, phases, organisers, from the first page to the final board."""
