"""Drift to the end: the inputs move, an alarm is raised, the model learns from the field, the drift is gone."""
