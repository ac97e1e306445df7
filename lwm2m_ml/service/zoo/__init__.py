"""The model zoo: models, their variants and what is known of each; files by digest in the store."""
