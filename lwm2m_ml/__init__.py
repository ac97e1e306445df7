"""TinyML as a Service over LwM2M: know a device, choose a model, compile, deliver, watch, update."""

__version__ = "0.1.0"
