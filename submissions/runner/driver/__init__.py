"""The program of the driver image: standard library only, no import of the rest of the site."""
