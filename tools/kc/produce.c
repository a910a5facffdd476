/* kc produce: records from stdin or files, a line each (or length-prefixed), in batches; exit status 1 if any record
 * failed. */
#include "kc.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "kc produce -b ADDR -t TOPIC [options] [FILE...]\n"
    "\n"
    "  -b ADDR         bootstrap servers, host:port,...\n"
    "  -t TOPIC        where to\n"
    "  -p PARTITION    always this partition (default: by key, else sticky)\n"
    "  -k KEY          this key for every record\n"
    "  -K DELIM        each line is KEY DELIM VALUE\n"
    "  -D DELIM        records end with this instead of a newline (\\n \\t \\xHH are understood)\n"
    "  -P              records are length-prefixed: 4 bytes, big-endian, then the value\n"
    "  -H NAME=VALUE   a header for every record; repeatable\n"
    "  -Z              an empty value is sent as null (a tombstone)\n"
    "  -l FILE         read this file instead of stdin; repeatable, as are FILE arguments\n"
    "  -X KEY=VALUE    any configuration key; repeatable\n"
    "  -v              log warnings to stderr; -vv info, -vvv debug\n"
    "\n"
    "Exit status 1 if any record could not be delivered; the first failures are printed.\n";

#define HEADERS_MAX      64
#define FILES_MAX        4096
#define BATCH_RECORDS    512          /* handed over in one call */
#define RECORD_BYTES_MAX (100u << 20) /* of the input; the configuration decides what is sent */
#define FAILURES_PRINTED 5
#define INPUT_BYTES      (1u << 20)

struct produce {
    kc_producer *producer;
    const char *topic, *key, *key_delimiter, *delimiter; /* delimiter NULL: a newline */
    size_t delimiter_size, key_delimiter_size;
    int32_t partition;
    bool prefixed, empty_is_null;
    kc_header headers[HEADERS_MAX];
    size_t header_count;
    kc_record batch[BATCH_RECORDS];
    size_t batched;
    unsigned long long failed; /* written by the sender thread only until the producer is closed */
};

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    struct produce *p = context;
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i].code == KC_OK)
            continue;
        if (p->failed++ < FAILURES_PRINTED)
            kct_fail(0, "a record to %s [%d] failed: %s: %s%s", deliveries[i].topic, deliveries[i].partition,
                     kc_err_name(deliveries[i].code), deliveries[i].text ? deliveries[i].text : "",
                     deliveries[i].traits & KC_MAYBE_APPLIED ? " (it may have been stored)" : "");
    }
}

static int send_batch(struct produce *p)
{
    size_t done = 0;
    while (done < p->batched) {
        kc_error error;
        size_t accepted = 0;
        kc_err err = kc_producer_send(p->producer, p->batch + done, p->batched - done, &accepted, &error);
        done += accepted;
        if (err == KC_OK || (err == KC_ERR_QUEUE_FULL && !kct_interrupted))
            continue;
        p->batched = 0;
        return kct_fail_error("send", &error);
    }
    p->batched = 0;
    return KC_EXIT_OK;
}

static int add_record(struct produce *p, const char *data, size_t size)
{
    kc_record *record = &p->batch[p->batched];
    *record = (kc_record)KC_RECORD_INIT;
    record->topic = p->topic;
    record->partition = p->partition;
    record->headers = p->headers;
    record->header_count = p->header_count;
    if (p->key)
        record->key = (kc_bytes){ p->key, strlen(p->key) };
    if (p->key_delimiter) {
        for (size_t i = 0; i + p->key_delimiter_size <= size; i++)
            if (memcmp(data + i, p->key_delimiter, p->key_delimiter_size) == 0) {
                record->key = (kc_bytes){ data, i };
                size -= i + p->key_delimiter_size;
                data += i + p->key_delimiter_size;
                break;
            }
    }
    record->value = (kc_bytes){ size || !p->empty_is_null ? data : NULL, size };
    return ++p->batched == BATCH_RECORDS ? send_batch(p) : KC_EXIT_OK;
}

/* Cut what is in the buffer into records; *used is what was consumed. The batch is sent before its bytes move. */
static int cut(struct produce *p, const char *data, size_t size, bool at_end, size_t *used)
{
    int status = KC_EXIT_OK;
    size_t at = 0;
    while (status == KC_EXIT_OK && at < size) {
        if (p->prefixed) {
            if (size - at < 4)
                break;
            const unsigned char *n = (const unsigned char *)data + at;
            size_t length = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
            if (length > RECORD_BYTES_MAX)
                return kct_fail(KC_EXIT_FAILED, "a length prefix of %zu bytes is beyond the limit of %u", length,
                                RECORD_BYTES_MAX);
            if (size - at - 4 < length)
                break;
            status = add_record(p, data + at + 4, length);
            at += 4 + length;
            continue;
        }
        const char *end = p->delimiter_size == 1 ? memchr(data + at, p->delimiter[0], size - at) : NULL;
        for (size_t i = at; p->delimiter_size > 1 && !end && i + p->delimiter_size <= size; i++)
            if (memcmp(data + i, p->delimiter, p->delimiter_size) == 0)
                end = data + i;
        if (!end && !at_end)
            break;
        size_t length = end ? (size_t)(end - (data + at)) : size - at;
        status = add_record(p, data + at, length);
        at += length + (end ? p->delimiter_size : 0);
    }
    if (status == KC_EXIT_OK && p->prefixed && at_end && at < size)
        status = kct_fail(KC_EXIT_FAILED, "the input ends in the middle of a length-prefixed record");
    *used = at;
    return status == KC_EXIT_OK ? send_batch(p) : status;
}

static int produce_stream(struct produce *p, FILE *in)
{
    size_t capacity = INPUT_BYTES, size = 0;
    char *buffer = malloc(capacity);
    int status = buffer ? KC_EXIT_OK : kct_fail(KC_EXIT_FAILED, "out of memory");
    while (status == KC_EXIT_OK && !kct_interrupted) {
        size_t got = fread(buffer + size, 1, capacity - size, in), used = 0;
        size += got;
        bool at_end = got == 0;
        if (at_end && ferror(in)) {
            status = kct_fail(KC_EXIT_FAILED, "reading the input: %s", strerror(errno));
            break;
        }
        status = cut(p, buffer, size, at_end, &used);
        memmove(buffer, buffer + used, size - used);
        size -= used;
        if (at_end)
            break;
        if (size == capacity) {
            char *grown = capacity < RECORD_BYTES_MAX ? realloc(buffer, capacity * 2) : NULL;
            if (!grown) {
                status = kct_fail(KC_EXIT_FAILED, "a record is longer than %zu bytes", capacity);
                break;
            }
            buffer = grown;
            capacity *= 2;
        }
    }
    free(buffer);
    return status;
}

static int produce_file(struct produce *p, const char *path)
{
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!in)
        return kct_fail(KC_EXIT_FAILED, "%s: %s", path, strerror(errno));
    int status = produce_stream(p, in);
    if (in != stdin)
        fclose(in);
    return status;
}

static int add_header(struct produce *p, char *pair)
{
    char *equals = strchr(pair, '=');
    if (!equals || p->header_count == HEADERS_MAX)
        return kct_usage("produce", "-H needs NAME=VALUE, at most 64 times");
    *equals = 0;
    p->headers[p->header_count++] = (kc_header){ pair, { equals + 1, strlen(equals + 1) } };
    return KC_EXIT_OK;
}

static int run(struct produce *p, kc_config *config, char **files, size_t file_count)
{
    kc_error error;
    kc_config_set_delivery(config, on_delivery, p, 0);
    if (kc_producer_create(&p->producer, config, &error) != KC_OK)
        return kct_fail_error("creating the producer", &error);
    int status = KC_EXIT_OK;
    for (size_t i = 0; i < file_count && status == KC_EXIT_OK && !kct_interrupted; i++)
        status = produce_file(p, files[i]);
    if (file_count == 0)
        status = produce_stream(p, stdin);
    if (kc_producer_flush(p->producer, -1, &error) != KC_OK && status == KC_EXIT_OK)
        status = kct_fail_error("flush", &error);
    kc_producer_close(p->producer, 5000);
    if (p->failed)
        return kct_fail(KC_EXIT_FAILED, "%llu records failed", p->failed);
    return status;
}

static void take_option(struct produce *p, struct kct_command *k, int option)
{
    long long number = p->partition;
    switch (option) {
    case 't':
        p->topic = optarg;
        break;
    case 'p':
        kct_take_number(k, "-p", 0, INT32_MAX, &number);
        p->partition = (int32_t)number;
        break;
    case 'k':
        p->key = optarg;
        break;
    case 'K':
        p->key_delimiter_size = kct_unescape(optarg);
        p->key_delimiter = optarg;
        if (!p->key_delimiter_size)
            kct_misused(k, "-K must not be empty");
        break;
    case 'D':
        p->delimiter_size = kct_unescape(optarg);
        p->delimiter = optarg;
        if (!p->delimiter_size)
            kct_misused(k, "-D must not be empty");
        break;
    case 'P':
        p->prefixed = true;
        break;
    case 'H':
        k->status = add_header(p, optarg);
        break;
    case 'Z':
        p->empty_is_null = true;
    }
}

int kct_produce(int argc, char **argv)
{
    static struct produce p = { .partition = KC_PARTITION_ANY };
    static char *files[FILES_MAX];
    size_t file_count = 0;
    struct kct_command k = kct_begin("produce", help);
    for (int option; (option = kct_option(&k, argc, argv, "t:p:k:K:D:PH:Zl:", NULL)) != -1;) {
        if (option != 'l')
            take_option(&p, &k, option);
        else if (file_count < FILES_MAX)
            files[file_count++] = optarg;
    }
    for (; optind < argc && file_count < FILES_MAX; optind++)
        files[file_count++] = argv[optind];
    if (!p.topic)
        kct_misused(&k, "-t TOPIC is missing");
    if (p.key && p.key_delimiter)
        kct_misused(&k, "-k and -K exclude each other");
    if (p.prefixed && p.delimiter)
        kct_misused(&k, "-P and -D exclude each other");
    if (!p.delimiter) {
        p.delimiter = "\n";
        p.delimiter_size = 1;
    }
    if (k.status == KC_EXIT_OK)
        k.status = run(&p, k.config, files, file_count);
    return kct_end(&k);
}
