"""What all contexts of OpenSSL have in common."""

from OpenSSL import SSL

from lwm2m_ml.coap.dtls.openssl import certificate_client_context, key_client_context, server_context


def test_contexts_give_empty_buffers_back() -> None:
    contexts = (
        server_context(None, {}, lambda *_: None, bytes, lambda _: False)[0],
        key_client_context(lambda _: None)[0],
        certificate_client_context(),
    )
    assert all(context.set_mode(0) & SSL.MODE_RELEASE_BUFFERS for context in contexts)
