"""Teams: create, join and leave."""
