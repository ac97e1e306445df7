"""What helps where an operator cannot be compiled."""

from collections.abc import Mapping

_SCORES = "Let the model end with its scores; who reads them chooses the largest"
_RECURRENT = "Export recurrent layers as LSTM or GRU, with sequences of fixed length"
_SMOOTH = "Use HardSwish or ReLU, and train again"
_NORMALISE = "Train with batch normalisation, which costs nothing once it is folded"
_VECTORS = "Train a random forest, boosted trees or a small perceptron instead"
_ATTENTION = "Use convolutions, LSTM or GRU: attention between computed tensors is not compiled"
_STATISTICS = "Compute it on the device before the module, or declare it as preprocessing"

_ADVICE: Mapping[str, str] = {
    **dict.fromkeys(("ArgMax", "ArgMin", "TopK", "ARG_MAX", "ARG_MIN", "TOPK_V2", "ArrayFeatureExtractor"), _SCORES),
    **dict.fromkeys(("Loop", "If", "Scan", "WHILE", "IF", "RNN", "BIDIRECTIONAL_SEQUENCE_LSTM"), _RECURRENT),
    **dict.fromkeys(("Erf", "Gelu", "Mish", "Softplus", "Selu", "GELU", "Swish"), _SMOOTH),
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), _NORMALISE),
    **dict.fromkeys(("LRN", "L2_NORMALIZATION", "LpNormalization", "LOCAL_RESPONSE_NORMALIZATION"), _NORMALISE),
    **dict.fromkeys(("SVMClassifier", "SVMRegressor", "ai.onnx.ml.SVMClassifier", "ai.onnx.ml.SVMRegressor"), _VECTORS),
    **dict.fromkeys(("Einsum", "Attention", "MultiHeadAttention", "BATCH_MATMUL"), _ATTENTION),
    **dict.fromkeys(("Exp", "Log", "Sqrt", "Pow", "Reciprocal", "Div", "Abs", "EXP", "LOG"), _STATISTICS),
    **dict.fromkeys(
        ("STFT", "DFT", "MelWeightMatrix", "RFFT2D", "DIV", "POW", "SQUARE", "ABS", "SQRT", "RSQRT"), _STATISTICS
    ),
    "CUSTOM": "Convert with TensorFlow Lite's builtin operators only (TFLITE_BUILTINS)",
    "NonMaxSuppression": "Let the module give boxes and scores, and choose among them on the device",
    "Gather": "Slices with fixed places work",
    "GATHER": "Slices with fixed places work",
    "EMBEDDING_LOOKUP": "Look embeddings up on the device and give the module the vectors",
    "ReduceSum": "Use ReduceMean, and scale the layer after it",
    "SUM": "Use a mean, and scale the layer after it",
    "ReduceMax": "Use MaxPool or GlobalMaxPool",
    "REDUCE_MAX": "Use MAX_POOL_2D",
    "SPACE_TO_DEPTH": "Use a convolution with strides",
    "DepthToSpace": "Use ConvTranspose, or Resize and a convolution",
    "ai.onnx.ml.Imputer": "Fill in missing values before the model",
    "ai.onnx.ml.OneHotEncoder": "Encode categories before the model",
    "ai.onnx.ml.LabelEncoder": _SCORES,
}
_OTHERWISE = "Replace it in the model, or compute its part on the device before or after the module"


def advice_for(operator: str) -> str:
    """One sentence on what to do about an operator, without a full stop."""
    return _ADVICE.get(operator, _OTHERWISE)
