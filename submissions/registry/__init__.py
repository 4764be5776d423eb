"""Pull an image by digest from a registry that the site's operator allows (OCI distribution-spec 1.1)."""
