"""CoAP transports and message layer, plugged into aiocoap."""
