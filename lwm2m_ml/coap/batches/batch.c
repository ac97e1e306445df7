// Moves datagrams between a non-blocking UDP socket and flat buffers, many per system call. Called through ctypes with
// the interpreter lock held; nothing here blocks, allocates or keeps anything.
//
// Slot i of `bytes` begins at i * slot_bytes and holds lengths[i] bytes; names[i] is the peer's address.
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum { LARGEST_BATCH = 64, NAME_BYTES = 28 };  // sizeof(struct sockaddr_in6); an IPv4 name is padded with zeros

typedef unsigned char name_t[NAME_BYTES];

// Receives up to `slots` datagrams. Returns how many, 0 when there are none, or a negative error number.
int receive_batch(int socket, int slots, unsigned char *bytes, uint32_t slot_bytes, uint32_t *lengths, name_t *names) {
    struct mmsghdr headers[LARGEST_BATCH];
    struct iovec parts[LARGEST_BATCH];
    if (slots > LARGEST_BATCH) slots = LARGEST_BATCH;
    memset(headers, 0, sizeof headers[0] * slots);
    memset(names, 0, sizeof(name_t) * slots);
    for (int i = 0; i < slots; i++) {
        parts[i] = (struct iovec){bytes + (size_t)i * slot_bytes, slot_bytes};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = names[i], .msg_namelen = NAME_BYTES, .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int received = recvmmsg(socket, headers, slots, MSG_DONTWAIT, NULL);
    if (received < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < received; i++) lengths[i] = headers[i].msg_len;
    return received;
}

// Sends `count` datagrams that lie in `bytes` one after the other. Returns how many are done with: fewer than `count`
// when the socket's buffer is full. A datagram that cannot be sent at all is skipped, as if it were lost on the way.
int send_batch(int socket, int count, const unsigned char *bytes, const uint32_t *lengths, const name_t *names) {
    struct mmsghdr headers[LARGEST_BATCH];
    struct iovec parts[LARGEST_BATCH];
    if (count > LARGEST_BATCH) count = LARGEST_BATCH;
    memset(headers, 0, sizeof headers[0] * count);
    for (int i = 0; i < count; bytes += lengths[i++]) {
        int is_ipv4 = ((const struct sockaddr *)names[i])->sa_family == AF_INET;
        parts[i] = (struct iovec){(void *)bytes, lengths[i]};
        headers[i].msg_hdr = (struct msghdr){
            .msg_name = (void *)names[i], .msg_namelen = is_ipv4 ? 16 : NAME_BYTES, .msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int done = 0;
    while (done < count) {
        int sent = sendmmsg(socket, headers + done, count - done, MSG_DONTWAIT);
        if (sent > 0) done += sent;
        else if (errno == EAGAIN || errno == ENOBUFS) break;
        else if (errno != EINTR) done++;
    }
    return done;
}
