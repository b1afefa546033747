"""Proving a lab: what is tried on each provider, what was seen, and what that says of the lab."""
