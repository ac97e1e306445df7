"""The numbers that govern an endpoint: RFC 7252 §4.8 transmission parameters and the limits that bound its memory."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CoapSettings:
    """Times in seconds, sizes in bytes."""

    ack_timeout: float = 2.0
    """First retransmission time-out while no round trip has been measured (RFC 7252 §4.8)."""
    ack_random_factor: float = 1.5
    max_retransmit: int = 4
    minimum_timeout: float = 1.0
    """Lower bound of the time-out that is estimated from round trips (RFC 6298 §2.4)."""
    maximum_timeout: float = 32.0
    nstart: int = 1
    """Interactions under way per peer; further requests wait (RFC 7252 §4.7)."""
    backlog_per_remote: int = 256
    empty_ack_delay: float = 0.1
    """A confirmable request is acknowledged without its answer after this time."""
    response_timeout: float = 120.0
    """How long a separate response may take once the request was acknowledged."""
    exchange_lifetime: float = 247.0
    """How long a message id stands for the same message (RFC 7252 §4.8.2)."""

    deduplicated_messages: int = 16
    """Messages remembered per peer, with the answers sent."""
    maximum_remotes: int = 200_000
    """Peers remembered; the least recently heard are forgotten first."""
    maximum_datagram: int = 4096
    receive_buffer: int = 8 * 1024 * 1024
    batches: bool = False
    """Move many datagrams per system call where the machine can; costs 300 kB per socket, so it is for servers."""
    maximum_options: int = 64

    block_size_exponent: int = 6
    """Preferred block size is 2 ** (4 + exponent): 6 means 1,024 bytes."""
    maximum_request_body: int = 1024 * 1024
    """A request body assembled from blocks may not be larger (answered 4.13)."""
    maximum_response_body: int = 16 * 1024 * 1024
    assemblies_per_remote: int = 4
    assembly_bytes: int = 32 * 1024 * 1024
    """All request bodies under assembly together."""
    assembly_lifetime: float = 93.0

    q_block: bool = True
    """Answer requests with Q-Block options over datagrams (RFC 9177)."""
    q_block_requests: bool = False
    """Try Q-Block with peers that have not shown that they do not know it; for paths that lose a lot."""
    q_block_set: int = 10
    """MAX_PAYLOADS: blocks sent without waiting (RFC 9177 §7.2)."""
    q_block_timeout: float = 2.0
    """NON_TIMEOUT: pause between sets when nothing is heard."""
    q_block_receive_timeout: float = 4.0
    """NON_RECEIVE_TIMEOUT: silence after which missing blocks are asked for."""
    q_block_retransmit: int = 4
    """NON_MAX_RETRANSMIT: how often in a row that is done."""

    requests_in_progress: int = 10_000
    """Requests whose handler has not finished; beyond that 5.03 is answered."""
    requests_in_progress_per_remote: int = 64
    observed_requests: int = 100_000
    """Requests on the slow path that may have further responses."""

    maximum_sessions: int = 100_000
    """DTLS sessions; the least recently established give way.

    Each holds about 70 kB with a pre-shared key, more with certificates; 3 kB or less with connection ids.
    """
    maximum_handshakes: int = 1_000
    """Handshakes under way at once."""
    handshakes_per_second: float = 5_000.0
    handshake_timeout: float = 30.0
    """A handshake that takes longer is given up; a wrong key is noticed within seconds."""

    oscore_number_chunk: int = 256
    """Sequence numbers that an OSCORE context reserves at once; so many are lost by a crash."""

    maximum_message: int = 64 * 1024
    """Largest message accepted over TCP (RFC 8323 §5.3.1)."""
    maximum_connections: int = 100_000
    maximum_unsent: int = 1024 * 1024
    """A peer that lets this much pile up in our send buffer is cut off."""
    csm_timeout: float = 30.0
    keep_alive: float = 240.0
    """A silent TCP peer is pinged after this time."""
    pong_timeout: float = 30.0
    close_timeout: float = 2.0

    amplification_factor: int = 3
    """An unproven address gets at most this many times the bytes it sent (RFC 9175 §2.4); 0 switches the guard off."""
