"""The demonstration of campaigns: a fleet, a version that is wrong in the field, and the right one for everybody."""
