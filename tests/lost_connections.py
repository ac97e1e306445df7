"""For tests in which servers end or refuse: drivers do not close every connection that they lose.

Python says so when it collects them, which would be in another test.
"""

import pytest

LOST_CONNECTIONS = [
    pytest.mark.usefixtures("lost_connections_collected"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
