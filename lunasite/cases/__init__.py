"""Look at a case: a page with server-made slices that works without JavaScript, and the volume for the viewer."""
