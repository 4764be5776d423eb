"""What lists in the admin show, filter and export."""
