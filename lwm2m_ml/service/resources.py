"""Numbers of the resources the service reads and executes, object by object (`docs/objects.md`, OMA registry)."""

from enum import IntEnum

DEVICE_OBJECT = 3
FIRMWARE_UPDATE_OBJECT = 5
SOFTWARE_MANAGEMENT_OBJECT = 9
BINARY_APP_DATA_OBJECT = 19
MODEL_CONFIGURATION_OBJECT = 513


class DeviceResource(IntEnum):
    """Object 3, Device."""

    MANUFACTURER = 0
    MODEL_NUMBER = 1
    SERIAL_NUMBER = 2
    FIRMWARE_VERSION = 3
    HARDWARE_VERSION = 18


class CapabilityResource(IntEnum):
    """ML Device Capabilities."""

    RUNTIME_NAME = 0
    RUNTIME_VERSION = 1
    TARGET = 2
    CLOCK = 3
    WORKING_MEMORY_TOTAL = 4
    WORKING_MEMORY_FREE = 5
    MODULE_STORAGE_TOTAL = 6
    MODULE_STORAGE_FREE = 7
    MAXIMUM_MODULE_SIZE = 8
    MODULE_SLOTS = 9
    FREE_MODULE_SLOTS = 10
    MODULE_FORMATS = 11
    OPERATOR_SET = 12
    SUPPORTED_OPERATORS = 14
    DATA_TYPES = 15
    PAYLOAD_ENCODINGS = 21
    SIGNATURE_ALGORITHMS = 22
    ENCRYPTION_ALGORITHMS = 23
    TRUST_ANCHORS = 24
    VENDOR_IDENTIFIER = 25
    CLASS_IDENTIFIER = 26
    INSTRUCTION_SET = 32
    DECODER_WINDOW = 33
    TRUST_LIST_VERSION = 35
    TRUST_LIST = 36


class ModelResource(IntEnum):
    """ML Model: one instance per module slot."""

    NAME = 0
    VERSION = 1
    MODULE_DIGEST = 3
    SOFTWARE_MANAGEMENT = 4
    RUNTIME = 6
    SEQUENCE_NUMBER = 8
    STORAGE_USED = 9
    WORKING_MEMORY_USED = 10
    STATE = 11
    RESULT = 12
    CONFIRM = 13
    ROLL_BACK = 14
    TRIAL_PERIOD = 15
    SELF_TEST_SCORE = 19
    INFERENCE_COUNT = 25
    FAILURE_COUNT = 26
    LAST_LATENCY = 27
    MEAN_LATENCY = 28
    MEAN_ENERGY = 30
    DRIFT_SCORE = 31


class ResultResource(IntEnum):
    """ML Inference Result: one instance per output of a model."""

    MODEL = 0
    CLASS = 1
    LABEL = 2
    CONFIDENCE = 3
    SCORES = 4
    RESULT_NUMBER = 5
    CLASS_COUNTS = 6
    NO_DECISION_COUNT = 7
    FEEDBACK = 10
    CAPTURE = 11
    CAPTURED_INPUT = 12
    AGREEMENT = 14
    INPUT_HISTOGRAM = 15
    SERIES = 16


class BinaryAppDataResource(IntEnum):
    """Object 19, BinaryAppDataContainer."""

    DATA = 0
    DATA_CREATION_TIME = 2
    DATA_DESCRIPTION = 3


class SoftwareManagementResource(IntEnum):
    """Object 9, Software Management (OMA-TS-LWM2M_SwMgmt-V1_0)."""

    PACKAGE = 2
    PACKAGE_URI = 3
    INSTALL = 4
    UNINSTALL = 6
    UPDATE_STATE = 7
    UPDATE_RESULT = 9
    ACTIVATE = 10
    DEACTIVATE = 11
    ACTIVATION_STATE = 12


class FirmwareUpdateResource(IntEnum):
    """Object 5, Firmware Update (OMA-TS-LightweightM2M_Core-V1_2 §E.6)."""

    PACKAGE = 0
    PACKAGE_URI = 1
    UPDATE = 2
    STATE = 3
    UPDATE_RESULT = 5
    PROTOCOL_SUPPORT = 8
    DELIVERY_METHOD = 9
    CANCEL = 10
    SEVERITY = 11
    MAXIMUM_DEFER_PERIOD = 13


class ConfigurationResource(IntEnum):
    """Object 513, AI Model Configuration."""

    MODEL = 1
    VERSION = 2
    MODEL_URI = 4
    MODEL_INTEGRITY = 5
    ENABLED = 13
    CONDITION = 14


class LearningResource(IntEnum):
    """ML Learning."""

    MODEL = 0
    STATE = 1
    RESULT = 2
    PARAMETERS = 3
    EXAMPLES = 4
    TOKEN = 5
    METHOD = 6
    EPOCHS = 7
    BATCH_SIZE = 8
    LEARNING_RATE = 9
    MOMENTUM = 10
    CLIPPING_NORM = 11
    UPDATE_ENCODING = 12
    TELL_STATISTICS = 13
    WEIGHTS = 14
    LEARN = 15
    ADOPT = 16
    CANCEL = 17
    UPDATE = 18
    INSTRUCTIONS = 19
    ENERGY = 20


class ProbeResource(IntEnum):
    """ML Probe."""

    INPUT = 0
    RUN = 1
    STATE = 2
    OUTPUT = 3
    LATENCY = 4
    INSTRUCTIONS = 5
    MODEL = 6
    MODULE_DIGEST = 7


class ProbeState(IntEnum):
    """ML Probe, State."""

    IDLE = 0
    RUNNING = 1
    DONE = 2
    FAILED = 3
