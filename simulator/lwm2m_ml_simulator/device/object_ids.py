"""Numbers of the objects that a simulated device has beyond the core ones (objects.md)."""

FIRMWARE_UPDATE = 5
SOFTWARE_MANAGEMENT = 9
GATEWAY = 25
MODEL_CONFIGURATION = 513
ML_CAPABILITIES = 42769
ML_MODEL = 42770
ML_RESULT = 42771
ML_LEARNING = 42772
ML_PROBE = 42773
