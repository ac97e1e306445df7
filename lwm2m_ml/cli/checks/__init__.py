"""What `lwm2m-ml doctor` looks at, one module per part of the installation."""
