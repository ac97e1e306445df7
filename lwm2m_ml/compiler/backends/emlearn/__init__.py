"""Trees and small perceptrons by emlearn's generators."""
