"""Backends: each makes an executable payload of an int8 graph for the targets that it supports."""
