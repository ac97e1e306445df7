"""From the service's facts to the API's schemas."""

import base64

from lwm2m_ml.client import schemas
