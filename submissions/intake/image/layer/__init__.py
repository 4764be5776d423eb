"""What the tar of one layer holds, followed while its bytes pass by."""
