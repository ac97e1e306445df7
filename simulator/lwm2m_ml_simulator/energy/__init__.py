"""What devices spend: a model of radio, processor and flash, with its assumptions in data files."""
