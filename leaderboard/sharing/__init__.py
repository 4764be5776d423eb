"""A board elsewhere: as a frame in another site, as a badge, as a citation. All of it is what a visitor may see."""
