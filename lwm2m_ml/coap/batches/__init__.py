"""Many datagrams per system call: an optional way to use a UDP socket, for servers of large fleets on Linux.

    batch.c      recvmmsg and sendmmsg between one socket and flat buffers
    library      compiles it when it is first wanted, and loads it
    transport    an asyncio datagram transport on top

Without a compiler, or on another system, sockets work as ever, at about twice the cost per datagram.
"""
