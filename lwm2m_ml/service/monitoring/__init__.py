"""Watching models in the field: what they answer, whether their inputs have drifted, how often they are right."""
