"""The LwM2M protocol without input or output: paths, values, definitions, codecs, rules, state machines."""
