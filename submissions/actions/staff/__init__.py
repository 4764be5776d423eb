"""What staff do with what belongs to others: each is a line of the audit log."""
