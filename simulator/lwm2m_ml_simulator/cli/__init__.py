"""The `lwm2m-sim` command."""
