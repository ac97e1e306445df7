// CoAP/UDP load: `devices` sockets, each with one message under way, waiting for its answer before the next one.
// Prints one JSON object at the end. Single-threaded; on loopback it is several times faster than any server measured.
//
//   load MODE HOST PORT DEVICES SECONDS ARGUMENT [RATE [SKIP [TOGETHER]]]
//
//   request  PATH     GET
//   download PATH     the whole body by Block2, then again
//   register LINKS    POST /rd?ep=register-N with that many links, again and again
//   update   LINKS    registers once, then updates the registration
//   send     LINKS    registers once, then sends three values to /dp
//   notify   LINKS    registers once, is observed by the server, then notifies of three values (confirmable)
//   answer   LINKS    registers once, then answers what the server asks
//
// RATE bounds the messages per second of all devices together (0: as fast as answers come). Answers in the first SKIP
// seconds are not counted. At most TOGETHER devices (0: all of them) wait for an answer at a time. Modes that have to
// prepare print a line after each preparation.
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
enum { CON = 0, NON = 1, ACK = 2, GET = 1, POST = 2, CONTENT = 0x45, FIRST_RESPONSE = 0x40, FIRST_ERROR = 0x80 };
enum { OBSERVE = 6, LOCATION = 8, PATH = 11, FORMAT = 12, QUERY = 15, BLOCK2 = 23, LINK_FORMAT = 40, SENML_CBOR = 112 };
enum purpose { REQUEST, DOWNLOAD, REGISTER, UPDATE, SEND, NOTIFY, ANSWER };

static const char *const purposes[] = {"request", "download", "register", "update", "send", "notify", "answer"};
static const double REPEAT_AFTER = 1.0;  // seconds until an unanswered message is sent again
static const double PATIENCE = 60;       // seconds that the preparations may take

struct device {
    int socket;
    uint16_t message_id;
    uint32_t block, notifications;
    double sent_at;  // 0: nothing is under way
    size_t length, observation_length;
    int registered, observed;
    char location[64];
    uint8_t observation[8];  // the token under which the server observes
    uint8_t message[MESSAGE];
};

struct results {
    uint64_t responses, bytes, repeated, errors, bodies;
    uint32_t latencies[BUCKETS];
};

static enum purpose purpose;
static const char *path;
static char links[MESSAGE];
static struct results results;
static struct device *all;
static int devices;
static int *idle, idle_first, idle_count;  // a ring of the devices that wait for their turn under a RATE

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
        used += add_option(out + used, last, PATH, text, end - text);
        text = *end ? end + 1 : end;
    }
    return used;
}

// Payload marker and SenML CBOR: confidence (it changes), class and number of an inference result.
static size_t add_values(uint8_t *out, struct device *device) {
    static const uint8_t head[] = "\xff\x83\xa3\x21\x69/42771/0/\x00\x61" "3\x02\xfa";
    static const uint8_t tail[] = "\xa2\x00\x61" "1\x02\x07\xa2\x00\x61" "5\x02\x19";
    union { float number; uint32_t bits; } confidence = {.number = 20 + device->message_id % 100 / 10.0f};
    uint32_t bits = htonl(confidence.bits);
    uint16_t number = htons(device->message_id | 0x100);
    size_t used = sizeof head - 1;
    memcpy(out, head, used);
    memcpy(out + used, &bits, 4), used += 4;
    memcpy(out + used, tail, sizeof tail - 1), used += sizeof tail - 1;
    memcpy(out + used, &number, 2);
    return used + 2;
}

static void build_notification(struct device *device) {
    uint8_t *out = device->message, format = SENML_CBOR;
    uint32_t sequence = htonl(++device->notifications);
    unsigned last = 0;
    size_t used = 4 + device->observation_length;
    out[0] = 0x40 | device->observation_length;
    out[1] = CONTENT;
    memcpy(out + 4, device->observation, device->observation_length);
    used += add_option(out + used, &last, OBSERVE, (uint8_t *)&sequence + 1, 3);
    used += add_option(out + used, &last, FORMAT, &format, 1);
    device->length = used + add_values(out + used, device);
}

static void build_request(struct device *device, int index, enum purpose kind) {
    uint8_t *out = device->message;
    unsigned last = 0;
    int registers = kind == REGISTER;
    out[0] = 0x44;
    out[1] = kind == REQUEST || kind == DOWNLOAD ? GET : POST;
    uint32_t token = htonl(index << 8 | (device->message_id & 255));
    memcpy(out + 4, &token, 4);
    const char *target = kind == UPDATE ? device->location : kind == SEND ? "dp" : registers ? "rd" : path;
    size_t used = 8 + add_path(out + 8, &last, target);
    if (registers || kind == SEND) {
        uint8_t format = registers ? LINK_FORMAT : SENML_CBOR;
        used += add_option(out + used, &last, FORMAT, &format, 1);
    }
    if (registers) {
        char query[32];
        size_t length = snprintf(query, sizeof query, "ep=%s-%d", purposes[purpose], index);
        used += add_option(out + used, &last, QUERY, query, length);
        used += add_option(out + used, &last, QUERY, "lt=3000", 7);
        used += add_option(out + used, &last, QUERY, "lwm2m=1.1", 9);
        used += add_option(out + used, &last, QUERY, "b=U", 3);
        out[used++] = 0xff;
        memcpy(out + used, links, strlen(links));
        used += strlen(links);
    }
    if (kind == SEND) used += add_values(out + used, device);
    if (kind == DOWNLOAD) {
        uint32_t value = htonl(device->block << 4 | 6);
        used += add_option(out + used, &last, BLOCK2, (uint8_t *)&value + 1, 3);
    }
    device->length = used;
}

static void transmit(struct device *device) {
    device->sent_at = now();
    if (send(device->socket, device->message, device->length, 0) < 0 && errno != EAGAIN) results.errors++;
}

static void begin_next(int index) {
    struct device *device = &all[index];
    device->message_id++;
    if (purpose > REGISTER && !device->registered) build_request(device, index, REGISTER);
    else if (purpose == NOTIFY) build_notification(device);
    else build_request(device, index, purpose);
    device->message[2] = device->message_id >> 8;
    device->message[3] = device->message_id;
    transmit(device);
}

static void rest(int index) {
    all[index].sent_at = 0;
    idle[(idle_first + idle_count++) % devices] = index;
}

struct view {  // what matters of a message that came in
    const uint8_t *token;
    size_t token_length, payload;
    int64_t block, observe;
    char location[64];
};

static struct view inspect(const uint8_t *in, size_t length) {
    struct view view = {in + 4, in[0] & 15, 0, -1, -1, ""};
    size_t at = 4 + view.token_length;
    unsigned number = 0;
    while (at < length && in[at] != 0xff) {
        size_t delta = in[at] >> 4, size = in[at] & 15;
        at++;
        if (delta == 13) delta = in[at++] + 13;
        else if (delta == 14) { delta = (in[at] << 8 | in[at + 1]) + 269; at += 2; }
        if (size == 13) size = in[at++] + 13;
        else if (size == 14) { size = (in[at] << 8 | in[at + 1]) + 269; at += 2; }
        number += delta;
        if (at + size > length) break;
        if (number == BLOCK2 || number == OBSERVE) {
            int64_t value = 0;
            for (size_t i = 0; i < size; i++) value = value << 8 | in[at + i];
            if (number == BLOCK2) view.block = value;
            else view.observe = value;
        }
        if (number == LOCATION && strlen(view.location) + size + 2 < sizeof view.location)
            sprintf(strchr(view.location, 0), "%s%.*s", view.location[0] ? "/" : "", (int)size, in + at);
        at += size;
    }
    if (at < length) view.payload = length - at - 1;
    return view;
}

// The server asks: answer with the values, and remember the token when it observes. Returns whether it newly does.
static int answer(struct device *device, const uint8_t *in, const struct view *view) {
    uint8_t out[MESSAGE], format = SENML_CBOR;
    unsigned last = 0;
    size_t used = 4 + view->token_length;
    out[0] = 0x40 | ACK << 4 | view->token_length;
    out[1] = CONTENT;
    memcpy(out + 2, in + 2, 2 + view->token_length);
    if (view->observe == 0) used += add_option(out + used, &last, OBSERVE, "\1", 1);
    used += add_option(out + used, &last, FORMAT, &format, 1);
    used += add_values(out + used, device);
    send(device->socket, out, used, 0);
    if (view->observe) return 0;
    memcpy(device->observation, view->token, view->token_length);
    device->observation_length = view->token_length;
    device->notifications = 1;
    int newly = !device->observed;
    device->observed = 1;
    return newly;
}

static void count(struct device *device) {
    uint64_t bucket = (now() - device->sent_at) * 1e6 / MICROSECONDS_PER_BUCKET;
    results.latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    results.responses++;
}

static int registered, observed;

static void receive(int index, const uint8_t *in, size_t length) {
    struct device *device = &all[index];
    uint8_t acknowledgement[4] = {0x60, 0, in[2], in[3]};
    if (length < 4) return;
    int type = in[0] >> 4 & 3;
    if (in[1] == 0) {  // the acknowledgement of a notification, or of a request whose answer takes its time
        if (purpose == NOTIFY && device->registered && device->sent_at && type == ACK && !memcmp(in + 2, device->message + 2, 2))
            count(device), rest(index);
        else if (purpose == NOTIFY && device->observed && type > ACK) results.errors++;
        return;
    }
    struct view view = inspect(in, length);
    if (in[1] < FIRST_RESPONSE) {
        results.bodies++;
        observed += answer(device, in, &view);
        return;
    }
    if (type == CON) send(device->socket, acknowledgement, 4, 0);
    if (!device->sent_at || view.token_length != 4 || memcmp(view.token, device->message + 4, 4)) return;
    if (in[1] >= FIRST_ERROR) results.errors++;
    if (purpose > REGISTER && !device->registered) {
        if (in[1] >= FIRST_ERROR) return begin_next(index);  // with a new message id: the old one is answered
        device->registered = 1;
        registered++;
        strcpy(device->location, view.location);
        device->sent_at = 0;
        return;
    }
    count(device);
    results.bytes += view.payload;
    device->block = view.block >= 0 && view.block & 8 ? device->block + 1 : 0;
    if (!device->block) results.bodies++;
    rest(index);
}

static void listen_for(int epoll, int milliseconds) {
    struct epoll_event events[EVENTS];
    uint8_t in[MESSAGE];
    int ready = epoll_wait(epoll, events, EVENTS, milliseconds);
    for (int i = 0; i < ready; i++) {
        int index = events[i].data.u32;
        ssize_t length = recv(all[index].socket, in, sizeof in, 0);
        if (length > 0) receive(index, in, length);
    }
}

static void repeat_late(void) {
    static double checked;
    double time = now();
    if (time - checked < REPEAT_AFTER / 4) return;
    checked = time;
    for (int i = 0; i < devices; i++)
        if (all[i].sent_at && time - all[i].sent_at > REPEAT_AFTER) results.repeated++, transmit(&all[i]);
}

static void prepare(int epoll) {
    double begin = now();
    for (int begun = 0; registered < devices && now() - begin < PATIENCE; repeat_late()) {
        while (begun < devices && begun - registered < 100) begin_next(begun++);
        listen_for(epoll, 50);
    }
    if (registered < devices) fprintf(stderr, "only %d devices could register\n", registered), exit(1);
    printf("registered\n"), fflush(stdout);
    while (purpose == NOTIFY && observed < devices && now() - begin < PATIENCE) listen_for(epoll, 50);
    if (purpose == NOTIFY && observed < devices) fprintf(stderr, "only %d devices are observed\n", observed), exit(1);
    if (purpose == NOTIFY) printf("observed\n"), fflush(stdout);
}

static double percentile(double part) {
    uint64_t total = 0, seen = 0;
    for (int i = 0; i < BUCKETS; i++) total += results.latencies[i];
    for (int i = 0; i < BUCKETS; i++)
        if ((seen += results.latencies[i]) >= total * part) return (i + 1) * MICROSECONDS_PER_BUCKET / 1000.0;
    return 0;
}

int main(int arguments_count, char **arguments) {
    if (arguments_count < 7) return fprintf(stderr, "usage: load MODE HOST PORT DEVICES SECONDS ARGUMENT [RATE [SKIP [TOGETHER]]]\n"), 2;
    while (purpose < ANSWER && strcmp(arguments[1], purposes[purpose])) purpose++;
    path = arguments[6];
    devices = atoi(arguments[4]);
    double seconds = atof(arguments[5]);
    double rate = arguments_count > 7 ? atof(arguments[7]) : 0, skip = arguments_count > 8 ? atof(arguments[8]) : 0;
    int together = arguments_count > 9 && atoi(arguments[9]) ? atoi(arguments[9]) : devices;
    for (int i = 0; purpose >= REGISTER && i < atoi(path); i++)
        sprintf(links + strlen(links), "%s</%d/0>", i ? "," : "", i ? 3300 + i : 42771);
    struct rlimit files = {devices + 64, devices + 64};
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[3]))};
    inet_pton(AF_INET, arguments[2], &server.sin_addr);
    all = calloc(devices, sizeof *all);
    idle = calloc(devices, sizeof *idle);
    int epoll = epoll_create1(0);
    for (int i = 0; i < devices; i++) {
        all[i].socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (all[i].socket < 0 || connect(all[i].socket, (void *)&server, sizeof server)) return perror("socket"), 1;
        epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].socket, &(struct epoll_event){EPOLLIN, {.u32 = i}});
        all[i].message_id = i * 7919;
    }
    if (purpose > REGISTER) prepare(epoll);
    for (int i = 0; i < devices && purpose != ANSWER; i++) rest(i);
    memset(&results, 0, sizeof results);
    double begin = now(), counted_from = begin;
    for (uint64_t sent = 0; now() - begin < seconds; repeat_late()) {
        if (skip && counted_from == begin && now() - begin >= skip)
            memset(&results, 0, sizeof results), counted_from = now();
        while (devices - idle_count < together && idle_count && (!rate || sent < rate * (now() - begin))) {
            int index = idle[idle_first];
            idle_first = (idle_first + 1) % devices;
            idle_count--;
            sent++;
            begin_next(index);
        }
        listen_for(epoll, idle_count ? 1 : 50);
    }
    double elapsed = now() - counted_from;
    printf("{\"per_second\": %.1f, \"bytes_per_second\": %.0f, \"bodies\": %lu, \"repeated\": %lu, \"errors\": %lu, "
           "\"responses\": %lu, \"p50_ms\": %.2f, \"p99_ms\": %.2f, \"p999_ms\": %.2f}\n",
           results.responses / elapsed, results.bytes / elapsed, results.bodies, results.repeated, results.errors,
           results.responses, percentile(0.5), percentile(0.99), percentile(0.999));
    return 0;
}
