"""Teams: making, joining and leaving one."""
