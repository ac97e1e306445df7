"""Bodies in bursts of non-confirmable blocks, for paths that lose datagrams or take long (RFC 9177).

    collector      blocks in any order become a body; both roles
    missing        the list of blocks that did not arrive
    receiver       server: bodies of requests (Q-Block1)
    sender         server: bodies of responses (Q-Block2)
    server         requests of either kind, on their way to the responder
    conversation   client: the requests of one transfer
    upload         client: the body of a request (Q-Block1)
    download       client: the body of a response (Q-Block2)

A client tries them when `CoapSettings.q_block_requests` says so, and remembers of each peer whether it knows them.
"""
