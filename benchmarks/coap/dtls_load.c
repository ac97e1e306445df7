// CoAP over DTLS 1.2 with pre-shared keys: first SESSIONS handshakes, `together` of them at a time, then one GET after
// the other in each session. Prints one JSON object. Needs OpenSSL's headers and libraries.
//
//   dtls_load HOST PORT SESSIONS TOGETHER SECONDS PATH       identity "device-N", key "the-key-of-device-N"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 2048, EVENTS = 256 };
static const double PATIENCE = 20;      // seconds that a handshake may take
static const double REPEAT_AFTER = 1;   // seconds until a request is sent again

enum state { NEW, UNDER_WAY, READY, FAILED };
struct session {
    int socket;
    SSL *ssl;
    enum state state;
    double begun_at, sent_at;
    uint16_t message_id;
};

static int own_data;
static struct session *all;
static int epoll_set;
static const char *path;
static int ready, failed;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static unsigned show_key(SSL *ssl, const char *hint, char *identity, unsigned identity_room, unsigned char *key,
                         unsigned room) {
    int index = (int)(intptr_t)SSL_get_ex_data(ssl, own_data);
    (void)hint;
    snprintf(identity, identity_room, "device-%d", index);
    return snprintf((char *)key, room, "the-key-of-device-%d", index);
}

static void begin_handshake(SSL_CTX *context, int index, struct sockaddr_in *server) {
    struct session *session = &all[index];
    session->socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (session->socket < 0 || connect(session->socket, (void *)server, sizeof *server)) perror("socket"), exit(1);
    session->ssl = SSL_new(context);
    BIO *bio = BIO_new_dgram(session->socket, BIO_NOCLOSE);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, server);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_ex_data(session->ssl, own_data, (void *)(intptr_t)index);
    SSL_set_mtu(session->ssl, 1400);
    SSL_set_connect_state(session->ssl);
    session->state = UNDER_WAY;
    session->begun_at = now();
    epoll_ctl(epoll_set, EPOLL_CTL_ADD, session->socket, &(struct epoll_event){EPOLLIN, {.u32 = index}});
    SSL_do_handshake(session->ssl);
}

static void shake(struct session *session) {
    int result = SSL_do_handshake(session->ssl);
    if (result == 1) {
        session->state = READY;
        ready++;
        return;
    }
    int error = SSL_get_error(session->ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) session->state = FAILED, failed++;
    ERR_clear_error();
}

static void ask(struct session *session) {
    uint8_t message[MESSAGE] = {0x42, 1, session->message_id >> 8, session->message_id, 1, 2};
    size_t used = 6;
    int previous = 0;
    for (const char *at = path; *at;) {
        const char *end = strchrnul(at, '/');
        size_t length = end - at;
        message[used++] = (previous ? 0 : 11) << 4 | (length < 13 ? length : 13);
        if (length >= 13) message[used++] = length - 13;
        memcpy(message + used, at, length);
        used += length;
        previous = 11;
        at = *end ? end + 1 : end;
    }
    SSL_write(session->ssl, message, used);
    session->sent_at = now();
}

int main(int arguments_count, char **arguments) {
    if (arguments_count != 7) return fprintf(stderr, "usage: dtls_load HOST PORT SESSIONS TOGETHER SECONDS PATH\n"), 2;
    int sessions = atoi(arguments[3]), together = atoi(arguments[4]);
    double seconds = atof(arguments[5]);
    path = arguments[6];
    struct rlimit files = {sessions + 64, sessions + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[2]))};
    inet_pton(AF_INET, arguments[1], &server.sin_addr);
    SSL_CTX *context = SSL_CTX_new(DTLS_client_method());
    SSL_CTX_set_max_proto_version(context, DTLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, "PSK-AES128-CCM8:@SECLEVEL=0");
    SSL_CTX_set_psk_client_callback(context, show_key);
    SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
    own_data = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    all = calloc(sessions, sizeof *all);
    epoll_set = epoll_create1(0);

    struct epoll_event events[EVENTS];
    int begun = 0;
    double begin = now(), checked = begin;
    while (ready + failed < sessions) {
        for (; begun < sessions && begun - ready - failed < together; begun++) begin_handshake(context, begun, &server);
        int arrived = epoll_wait(epoll_set, events, EVENTS, 20);
        for (int i = 0; i < arrived; i++)
            if (all[events[i].data.u32].state == UNDER_WAY) shake(&all[events[i].data.u32]);
        if (now() - checked > 0.2) {
            checked = now();
            for (int i = 0; i < begun; i++) {
                if (all[i].state != UNDER_WAY) continue;
                DTLSv1_handle_timeout(all[i].ssl);
                shake(&all[i]);  // the handshake may have ended in there, and no datagram will wake it any more
                if (all[i].state == UNDER_WAY && checked - all[i].begun_at > PATIENCE) all[i].state = FAILED, failed++;
            }
        }
    }
    double handshakes = ready / (now() - begin);
    printf("handshakes %.1f failed %d\n", handshakes, failed), fflush(stdout);

    uint64_t responses = 0, repeated = 0;
    uint8_t in[MESSAGE];
    for (int i = 0; i < sessions; i++)
        if (all[i].state == READY) ask(&all[i]);
    begin = checked = now();
    while (now() - begin < seconds) {
        int arrived = epoll_wait(epoll_set, events, EVENTS, 20);
        for (int i = 0; i < arrived; i++) {
            struct session *session = &all[events[i].data.u32];
            int length = session->state == READY ? SSL_read(session->ssl, in, sizeof in) : 0;
            if (length < 4 || in[1] == 0 || (in[2] << 8 | in[3]) != session->message_id) continue;
            responses++;
            session->message_id++;
            ask(session);
        }
        if (now() - checked > REPEAT_AFTER / 4) {
            checked = now();
            for (int i = 0; i < sessions; i++)
                if (all[i].state == READY && checked - all[i].sent_at > REPEAT_AFTER) repeated++, ask(&all[i]);
        }
    }
    printf("{\"handshakes_per_second\": %.1f, \"failed\": %d, \"per_second\": %.1f, \"responses\": %lu, "
           "\"repeated\": %lu}\n", handshakes, failed, responses / (now() - begin), responses, repeated);
    return 0;
}
