"""How a board is listed: searched, in which order, and what stands beside a team's score."""
