"""The challenge as a place: its pages and tabs, its texts with their versions, its news and its pictures."""
