// A herd of CoAP devices in one thread and one socket: each has an address of its own in 127.0.0.0/8.
//
//   herd PORT DEVICES KINDS
//
// KINDS is a file with a line `links TEXT` for each kind of device, followed by lines `answer PATH HEX` for what these
// devices say about a path (SenML CBOR). Orders come line by line on standard input, and each is answered by one JSON
// object, of the first two when they are done for every device:
//
//   register   all register at once
//   update     all update the registration that they have, at once
//   tell       what was counted since the last order
//
// Devices repeat and back off as RFC 7252 §4.2 says, wait as long as a 5.03 tells them, and begin anew half a minute
// after the last repetition went unanswered. Meanwhile they answer what the server asks. It ends with its input.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MESSAGE = 4096, KINDS = 64, ANSWERS = 16, BURST = 64, CON = 0, ACK = 2 };
enum { GET = 1, POST = 2, CONTENT = 0x45, NOT_FOUND = 0x84, UNAVAILABLE = 0xa3, FIRST_RESPONSE = 0x40, FIRST_ERROR = 0x80 };
enum { OBSERVE = 6, LOCATION = 8, PATH = 11, FORMAT = 12, MAX_AGE = 14, QUERY = 15, LINK_FORMAT = 40, SENML_CBOR = 112 };
enum order { NONE, REGISTER, UPDATE };

static const double ACK_TIMEOUT = 2, ACK_RANDOM_FACTOR = 1.5, ANEW_AFTER = 30;
static const int MAX_RETRANSMIT = 4;
static const uint32_t FIRST_ADDRESS = 0x7f400000;  // 127.64.0.0

struct device {
    double due, timeout;  // when to send (again); 0: nothing is under way
    uint16_t message_id;
    uint8_t repeated, done, acknowledged;
    char location[40];
};

struct answer { char path[64]; uint8_t payload[1024]; size_t length; };

static struct kind { char links[2048]; struct answer answers[ANSWERS]; int answers_known; } kinds[KINDS];
static int kinds_known, devices, server, done;
static struct device *all;
static struct sockaddr_in peer = {.sin_family = AF_INET};
static enum order order;
static double begun;
static uint64_t put_off, repeated, given_up, refused, asked, observed;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static double between(double low, double high) { return low + (high - low) * (rand() / (double)RAND_MAX); }

static size_t nibble(uint8_t *out, size_t *used, size_t value) {
    if (value < 13) return value;
    if (value < 269) { out[(*used)++] = value - 13; return 13; }
    out[(*used)++] = (value - 269) >> 8;
    out[(*used)++] = (value - 269) & 255;
    return 14;
}

static size_t add_option(uint8_t *out, unsigned *last, unsigned number, const void *value, size_t length) {
    size_t used = 1;
    size_t delta = nibble(out, &used, number - *last), size = nibble(out, &used, length);
    out[0] = delta << 4 | size;
    memcpy(out + used, value, length);
    *last = number;
    return used + length;
}

static void transmit(int index, const uint8_t *message, size_t length) {
    char control[CMSG_SPACE(sizeof(struct in_pktinfo))] = {0};
    struct iovec content = {(void *)message, length};
    struct msghdr header = {&peer, sizeof peer, &content, 1, control, sizeof control, 0};
    struct cmsghdr *of = CMSG_FIRSTHDR(&header);
    of->cmsg_level = IPPROTO_IP, of->cmsg_type = IP_PKTINFO, of->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
    ((struct in_pktinfo *)CMSG_DATA(of))->ipi_spec_dst.s_addr = htonl(FIRST_ADDRESS + index);
    sendmsg(server, &header, 0);  // what the network cannot take is lost, as everywhere
}

static void send_request(int index) {
    struct device *device = &all[index];
    uint8_t out[MESSAGE] = {0x44, POST, device->message_id >> 8, device->message_id}, format = LINK_FORMAT;
    uint32_t token = htonl((uint32_t)index << 8 | (device->message_id & 255));
    unsigned last = 0;
    size_t used = 8;
    memcpy(out + 4, &token, 4);
    used += add_option(out + used, &last, PATH, "rd", 2);
    if (order == UPDATE) used += add_option(out + used, &last, PATH, device->location, strlen(device->location));
    if (order == REGISTER) {
        char name[64];
        const char *text = kinds[index % kinds_known].links;
        int length = snprintf(name, sizeof name, "ep=plant-%d-sensor-%06d", index % 10, index);
        used += add_option(out + used, &last, FORMAT, &format, 1);
        used += add_option(out + used, &last, QUERY, name, length);
        used += add_option(out + used, &last, QUERY, "lt=86400", 8);
        used += add_option(out + used, &last, QUERY, "lwm2m=1.1", 9);
        used += add_option(out + used, &last, QUERY, "b=U", 3);
        out[used++] = 0xff;
        memcpy(out + used, text, strlen(text));
        used += strlen(text);
    }
    transmit(index, out, used);
}

static void begin(int index, double at) {
    all[index].message_id++;
    all[index].repeated = all[index].acknowledged = 0;
    all[index].timeout = between(ACK_TIMEOUT, ACK_TIMEOUT * ACK_RANDOM_FACTOR);
    all[index].due = at;
}

static void send_due(void) {
    double time = now();
    for (int index = 0; index < devices; index++) {
        struct device *device = &all[index];
        if (!device->due || device->due > time) continue;
        if (device->repeated > MAX_RETRANSMIT) {
            given_up++;
            begin(index, time + ANEW_AFTER);
            continue;
        }
        // Once a request was acknowledged nothing is repeated, but its answer is not waited for for ever.
        if (device->acknowledged) { given_up++; begin(index, time); }
        repeated += device->repeated > 0;
        send_request(index);
        device->due = time + device->timeout;
        device->timeout *= 2;
        device->repeated++;
    }
}

struct view { const uint8_t *token; size_t token_length; int64_t observe, max_age; char path[64], location[40]; };

static int inspect(const uint8_t *in, size_t length, struct view *view) {
    *view = (struct view){in + 4, in[0] & 15, -1, 60, "", ""};
    size_t at = 4 + view->token_length;
    unsigned number = 0;
    while (at < length && in[at] != 0xff) {
        size_t parts[2] = {in[at] >> 4, in[at] & 15};
        at++;
        for (int i = 0; i < 2; i++) {
            if (parts[i] == 13) parts[i] = in[at++] + 13;
            else if (parts[i] == 14) parts[i] = (in[at] << 8 | in[at + 1]) + 269, at += 2;
        }
        number += parts[0];
        if (at + parts[1] > length) return 0;
        int64_t value = 0;
        for (size_t i = 0; i < parts[1] && i < 8; i++) value = value << 8 | in[at + i];
        if (number == OBSERVE) view->observe = value;
        if (number == MAX_AGE) view->max_age = value;
        if (number == PATH && strlen(view->path) + parts[1] + 2 < sizeof view->path)
            sprintf(strchr(view->path, 0), "/%.*s", (int)parts[1], in + at);
        if (number == LOCATION && parts[1] < sizeof view->location)  // the last segment is the one that differs
            sprintf(view->location, "%.*s", (int)parts[1], in + at);
        at += parts[1];
    }
    return 1;
}

static void answer(int index, const uint8_t *in, const struct view *view) {
    uint8_t out[MESSAGE] = {0x60 | view->token_length, NOT_FOUND, in[2], in[3]}, format = SENML_CBOR;
    const struct kind *kind = &kinds[index % kinds_known];
    unsigned last = 0;
    size_t used = 4 + view->token_length;
    memcpy(out + 4, view->token, view->token_length);
    for (int i = 0; i < kind->answers_known && in[1] == GET; i++) {
        const struct answer *known = &kind->answers[i];
        if (strcmp(known->path, view->path)) continue;
        out[1] = CONTENT;
        if (!view->observe) used += add_option(out + used, &last, OBSERVE, "\1", 1), observed++;
        used += add_option(out + used, &last, FORMAT, &format, 1);
        out[used++] = 0xff;
        memcpy(out + used, known->payload, known->length);
        used += known->length;
    }
    asked++;
    transmit(index, out, used);
}

static void receive(int index, const uint8_t *in, size_t length) {
    struct device *device = &all[index];
    struct view view;
    uint8_t acknowledgement[4] = {0x60, 0, in[2], in[3]};
    if (length < 4) return;
    if (!in[1]) {  // the answer will come by itself
        int ours = device->due && in[2] == device->message_id >> 8 && in[3] == (device->message_id & 255);
        if (ours) device->acknowledged = 1, device->due = now() + 120;
        return;
    }
    if (!inspect(in, length, &view)) return;
    if (in[1] < FIRST_RESPONSE) return answer(index, in, &view);
    if ((in[0] >> 4 & 3) == CON) transmit(index, acknowledgement, 4);
    uint32_t token = htonl((uint32_t)index << 8 | (device->message_id & 255));
    if (!device->due || view.token_length != 4 || memcmp(view.token, &token, 4)) return;
    if (in[1] == UNAVAILABLE) {
        put_off++;
        return begin(index, now() + view.max_age);
    }
    if (in[1] >= FIRST_ERROR) refused++;
    else if (order == REGISTER) strcpy(device->location, view.location);
    device->due = 0;
    done++;
}

static void listen_for(int milliseconds) {
    static uint8_t in[BURST][MESSAGE];
    static char controls[BURST][CMSG_SPACE(sizeof(struct in_pktinfo))];
    static struct iovec contents[BURST];
    static struct mmsghdr headers[BURST];
    struct pollfd ready = {server, POLLIN, 0};
    if (poll(&ready, 1, milliseconds) < 1) return;
    for (int rounds = 0; rounds < 16; rounds++) {
        for (int i = 0; i < BURST; i++) {
            contents[i] = (struct iovec){in[i], MESSAGE};
            headers[i].msg_hdr = (struct msghdr){0, 0, &contents[i], 1, controls[i], sizeof controls[i], 0};
        }
        int got = recvmmsg(server, headers, BURST, MSG_DONTWAIT, 0);
        for (int i = 0; i < got; i++) {
            struct cmsghdr *of = CMSG_FIRSTHDR(&headers[i].msg_hdr);
            if (!of || of->cmsg_type != IP_PKTINFO) continue;
            uint32_t index = ntohl(((struct in_pktinfo *)CMSG_DATA(of))->ipi_addr.s_addr) - FIRST_ADDRESS;
            if (index < (uint32_t)devices) receive(index, in[i], headers[i].msg_len);
        }
        if (got < BURST) return;
    }
}

static void read_kinds(const char *name) {
    static char line[8192];
    FILE *file = fopen(name, "r");
    if (!file) perror(name), exit(1);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        struct kind *kind = &kinds[kinds_known - 1];
        if (!strncmp(line, "links ", 6) && kinds_known < KINDS)
            snprintf(kinds[kinds_known++].links, sizeof kind->links, "%s", line + 6);
        if (!strncmp(line, "answer ", 7) && kinds_known && kind->answers_known < ANSWERS) {
            struct answer *known = &kind->answers[kind->answers_known++];
            char *hex = strchr(line + 7, ' ');
            *hex++ = 0;
            snprintf(known->path, sizeof known->path, "%s", line + 7);
            for (; *hex && known->length < sizeof known->payload; hex += 2) sscanf(hex, "%2hhx", &known->payload[known->length++]);
        }
    }
    fclose(file);
}

static void report(void) {
    printf("{\"done\": %d, \"refused\": %lu, \"seconds\": %.2f, \"put_off\": %lu, \"repeated\": %lu, \"given_up\": %lu, "
           "\"asked\": %lu, \"observed\": %lu}\n", done, refused, now() - begun, put_off, repeated, given_up, asked, observed);
    fflush(stdout);
    order = NONE;
}

static int take_order(void) {
    char line[64];
    struct pollfd ready = {0, POLLIN, 0};
    if (poll(&ready, 1, 0) < 1) return 1;
    if (!fgets(line, sizeof line, stdin)) return 0;
    if (!strncmp(line, "tell", 4)) return report(), 1;
    order = !strncmp(line, "register", 8) ? REGISTER : UPDATE;
    put_off = repeated = given_up = refused = asked = observed = done = 0;
    begun = now();
    for (int index = 0; index < devices; index++) begin(index, begun);
    return 1;
}

int main(int count, char **arguments) {
    if (count != 4) return fprintf(stderr, "usage: herd PORT DEVICES KINDS\n"), 2;
    int on = 1, room = 64 << 20;
    struct sockaddr_in here = {.sin_family = AF_INET};
    devices = atoi(arguments[2]);
    read_kinds(arguments[3]);
    peer.sin_port = htons(atoi(arguments[1]));
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    all = calloc(devices, sizeof *all);
    server = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(server, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(server, (void *)&here, sizeof here) || !kinds_known) return perror("bind"), 1;
    while (take_order()) {
        static double looked;
        listen_for(5);
        if (now() - looked < 0.02) continue;
        looked = now();
        if (order) send_due();
        if (order && done == devices) report();
    }
    return 0;
}
