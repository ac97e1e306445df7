"""Front ends: each reads one model format into the intermediate representation and validates all of it."""
