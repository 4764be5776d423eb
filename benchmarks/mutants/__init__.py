"""Mutation testing: change the code in one place, and see whether a test fails.

The operators are cosmic-ray's, and two of our own. Its runner starts a process for every mutant, and Django alone takes
seconds to start; here one process imports what is not ours and forks for every mutant.
"""
