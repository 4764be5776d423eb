"""The report of a submission: everything that its reader may know of it, as a page, for print, as JSON and CSV."""
