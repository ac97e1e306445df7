"""Fleets described by data, and what runs them."""
