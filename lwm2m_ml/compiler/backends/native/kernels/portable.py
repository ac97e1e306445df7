"""What most portable kernels share: no working memory and no overlap of operands and result."""

from collections.abc import Mapping

from lwm2m_ml.compiler.backends.native.layer import Layer


class Portable:
    """Defaults of a kernel in plain C."""

    def scratch_bytes(self, layer: Layer) -> int:
        """None."""
        return 0

    def overlaps(self, layer: Layer) -> Mapping[int, int]:
        """None."""
        return {}

    def replaces(self, layer: Layer) -> int | None:
        """None."""
        return None
