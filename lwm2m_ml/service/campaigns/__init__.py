"""Campaigns: one rollout of a model to many devices, in phases, watched, and taken back when it does harm."""
