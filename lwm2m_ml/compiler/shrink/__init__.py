"""Makes smaller models of a model: pruned, trained again, in fewer bits, measured on targets."""
