"""What a server and devices agree on when devices learn together: vectors, updates, averages, and what privacy costs.

No input or output. Importing these modules loads numpy, but for `accountant`, `errors` and `terms`.
"""
