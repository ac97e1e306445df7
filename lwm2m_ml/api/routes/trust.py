"""`/trust-anchor`: the public key that devices need to check modules."""

from fastapi import APIRouter

from lwm2m_ml.api.authentication import VIEWER
from lwm2m_ml.api.running import Service
from lwm2m_ml.client.schemas import TrustAnchor

router = APIRouter(tags=["trust"])


@router.get("/trust-anchor", dependencies=[VIEWER])
async def trust_anchor(service: Service) -> TrustAnchor:
    """The public halves of the signing key and of the root key, to be put into devices when they are made."""
    root = service.trust_root
    return TrustAnchor(
        pem=service.trust_anchor.decode("ascii"), root_pem=None if root is None else root.decode("ascii")
    )
