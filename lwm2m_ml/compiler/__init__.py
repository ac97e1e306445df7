"""The in-process compiler: a model and a target in, proved machine code and measured facts out."""
