"""Texts edited in the browser, with a preview and kept versions: of challenges and of the site's own pages."""
