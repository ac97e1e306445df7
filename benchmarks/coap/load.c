// Closed-loop CoAP/UDP load: `devices` sockets, each with one request under way, waiting for its response before the
// next one. Prints one JSON object. Single-threaded; on loopback it is several times faster than any server measured.
//
//   load request  HOST PORT DEVICES SECONDS PATH
//   load register HOST PORT DEVICES SECONDS LINKS     POST /rd?ep=device-N with that many links
//   load download HOST PORT DEVICES SECONDS PATH      the whole body by Block2, then again
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 2048, EVENTS = 256, BUCKETS = 200000, MICROSECONDS_PER_BUCKET = 10 };
static const double REPEAT_AFTER = 1.0;  // seconds until an unanswered request is sent again

struct device {
    int socket;
    uint16_t message_id;
    uint32_t block;
    double sent_at;
    size_t length;
    uint8_t request[MESSAGE];
};

struct results {
    uint64_t responses, bytes, repeated, errors, bodies;
    uint32_t latencies[BUCKETS];
};

static const char *mode;
static const char *path;
static char links[MESSAGE];
static struct results results;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static size_t nibble(uint8_t *out, size_t *extended, size_t value) {
    if (value < 13) return value;
    if (value < 269) { out[(*extended)++] = value - 13; return 13; }
    out[(*extended)++] = (value - 269) >> 8;
    out[(*extended)++] = (value - 269) & 255;
    return 14;
}

static size_t add_option(uint8_t *out, unsigned *last, unsigned number, const void *value, size_t length) {
    size_t used = 1;
    size_t delta = nibble(out, &used, number - *last);
    size_t size = nibble(out, &used, length);
    out[0] = delta << 4 | size;
    memcpy(out + used, value, length);
    *last = number;
    return used + length;
}

static size_t add_path(uint8_t *out, unsigned *last, const char *text) {
    size_t used = 0;
    while (*text) {
        const char *end = strchrnul(text, '/');
        used += add_option(out + used, last, 11, text, end - text);
        text = *end ? end + 1 : end;
    }
    return used;
}

static void build(struct device *device, int index) {
    uint8_t *out = device->request;
    unsigned last = 0;
    int registers = !strcmp(mode, "register");
    device->message_id++;
    out[0] = 0x44;
    out[1] = registers ? 2 : 1;
    out[2] = device->message_id >> 8;
    out[3] = device->message_id;
    uint32_t token = htonl(index << 8 | (device->message_id & 255));
    memcpy(out + 4, &token, 4);
    size_t used = 8 + add_path(out + 8, &last, registers ? "rd" : path);
    if (registers) {
        char query[32];
        uint8_t link_format = 40;
        used += add_option(out + used, &last, 12, &link_format, 1);
        used += add_option(out + used, &last, 15, query, snprintf(query, sizeof query, "ep=device-%d", index));
        used += add_option(out + used, &last, 15, "lt=300", 6);
        used += add_option(out + used, &last, 15, "lwm2m=1.1", 9);
        used += add_option(out + used, &last, 15, "b=U", 3);
        out[used++] = 0xff;
        memcpy(out + used, links, strlen(links));
        used += strlen(links);
    }
    if (!strcmp(mode, "download")) {
        uint32_t value = htonl(device->block << 4 | 6);
        used += add_option(out + used, &last, 23, (uint8_t *)&value + 1, 3);
    }
    device->length = used;
}

static void transmit(struct device *device) {
    device->sent_at = now();
    if (send(device->socket, device->request, device->length, 0) < 0 && errno != EAGAIN) results.errors++;
}

// The Block2 value and the payload length of a response; -1 when there is no Block2.
static int64_t inspect(const uint8_t *in, size_t length, size_t *payload) {
    size_t at = 4 + (in[0] & 15);
    unsigned number = 0;
    int64_t block = -1;
    *payload = 0;
    while (at < length && in[at] != 0xff) {
        size_t delta = in[at] >> 4, size = in[at] & 15;
        at++;
        if (delta == 13) delta = in[at++] + 13;
        else if (delta == 14) { delta = (in[at] << 8 | in[at + 1]) + 269; at += 2; }
        if (size == 13) size = in[at++] + 13;
        else if (size == 14) { size = (in[at] << 8 | in[at + 1]) + 269; at += 2; }
        number += delta;
        if (number == 23)
            for (block = 0; size; size--) block = block << 8 | in[at++];
        at += size;
    }
    if (at < length) *payload = length - at - 1;
    return block;
}

static void receive(struct device *device, int index, const uint8_t *in, size_t length) {
    uint8_t acknowledgement[4] = {0x60, 0, in[2], in[3]};
    size_t payload;
    if (length < 4 || in[1] == 0) return;
    if ((in[0] >> 4 & 3) == 0) send(device->socket, acknowledgement, 4, 0);
    if ((in[0] & 15) != 4 || memcmp(in + 4, device->request + 4, 4)) return;
    uint64_t bucket = (now() - device->sent_at) * 1e6 / MICROSECONDS_PER_BUCKET;
    results.latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    results.responses++;
    if (in[1] >= 0x80) results.errors++;
    int64_t block = inspect(in, length, &payload);
    results.bytes += payload;
    device->block = block >= 0 && block & 8 ? device->block + 1 : 0;
    if (!device->block) results.bodies++;
    build(device, index);
    transmit(device);
}

static double percentile(double part) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) total += results.latencies[i];
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += results.latencies[i]) >= total * part) return (i + 1) * MICROSECONDS_PER_BUCKET / 1000.0;
    return 0;
}

int main(int count, char **arguments) {
    if (count != 7) return fprintf(stderr, "usage: load MODE HOST PORT DEVICES SECONDS PATH|LINKS\n"), 2;
    mode = arguments[1];
    path = arguments[6];
    int devices = atoi(arguments[4]);
    double seconds = atof(arguments[5]);
    for (int i = 0; !strcmp(mode, "register") && i < atoi(path); i++)
        sprintf(links + strlen(links), "%s</%d/0>", i ? "," : "", 3300 + i);
    struct rlimit files = {devices + 64, devices + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[3]))};
    inet_pton(AF_INET, arguments[2], &server.sin_addr);
    struct device *all = calloc(devices, sizeof *all);
    int epoll = epoll_create1(0);
    for (int i = 0; i < devices; i++) {
        all[i].socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (all[i].socket < 0 || connect(all[i].socket, (void *)&server, sizeof server)) return perror("socket"), 1;
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].socket, &(struct epoll_event){EPOLLIN, {.u32 = i}});
        all[i].message_id = i * 7919;
    }
    for (int i = 0; i < devices; i++) build(&all[i], i), transmit(&all[i]);
    double begin = now(), checked = begin;
    while (now() - begin < seconds) {
        struct epoll_event events[EVENTS];
        uint8_t in[MESSAGE];
        int ready = epoll_wait(epoll, events, EVENTS, 50);
        for (int i = 0; i < ready; i++) {
            int index = events[i].data.u32;
            ssize_t length = recv(all[index].socket, in, sizeof in, 0);
            if (length > 0) receive(&all[index], index, in, length);
        }
        if (now() - checked > REPEAT_AFTER / 4) {
            checked = now();
            for (int i = 0; i < devices; i++)
                if (checked - all[i].sent_at > REPEAT_AFTER) results.repeated++, transmit(&all[i]);
        }
    }
    double elapsed = now() - begin;
    printf("{\"per_second\": %.1f, \"bytes_per_second\": %.0f, \"bodies\": %lu, \"repeated\": %lu, \"errors\": %lu, "
           "\"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f}\n",
           results.responses / elapsed, results.bytes / elapsed, results.bodies, results.repeated, results.errors,
           percentile(0.5), percentile(0.99), percentile(0.999));
    return 0;
}
