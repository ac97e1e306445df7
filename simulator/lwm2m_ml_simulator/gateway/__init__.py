"""A gateway (object 25): passes on what servers ask of a prefix, and keeps a copy of the data of the devices behind."""
