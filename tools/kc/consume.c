/* kc consume: records to stdout, as lines, by a format, or as JSON; in a group or from all partitions. */
#include "kc.h"
#include "output.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "kc consume -b ADDR -t TOPIC [options]\n"
    "\n"
    "  -b ADDR         bootstrap servers, host:port,...\n"
    "  -t TOPIC        what to read; repeatable with -g\n"
    "  -g GROUP        as a member of this group (commits offsets); default: all partitions, without a group\n"
    "  -p PARTITION    only this partition (not with -g)\n"
    "  -o WHERE        beginning, end (default; with -g: where no offset is committed), OFFSET, or @MILLISECONDS since "
    "1970\n"
    "  -c N            end after N records\n"
    "  -e              end when everything that was there at the start has been read\n"
    "  -f FORMAT       %t topic %p partition %o offset %T timestamp %k key %s value %K %S their sizes (-1: null) %h "
    "headers %% percent; \\n \\t \\xHH\n"
    "  -J              a JSON object per line; bytes that are not UTF-8 appear as base64\n"
    "  -P              values length-prefixed: 4 bytes, big-endian\n"
    "  -q              print no records, only count them on stderr at the end\n"
    "  -X KEY=VALUE    any configuration key; repeatable\n"
    "  -v              log warnings to stderr; -vv info, -vvv debug\n";

#define TOPICS_MAX   100
#define POLL_MS      200 /* how often an end or an interrupt is looked for while nothing comes */
#define WATERMARK_MS 30000
#define CLOSE_MS     10000

struct consume {
    kc_consumer *consumer;
    const char *topics[TOPICS_MAX];
    size_t topic_count;
    const char *group, *where;
    long long partition, limit;
    bool end_at_end, quiet;
    struct kct_output output;
    unsigned long long records;
    kc_topic_partition *assigned; /* without a group */
    size_t assigned_count;
    int64_t *ends; /* of `assigned`: where reading ends with -e */
};

/* The -o option as an offset; @ms is resolved later. */
static bool parse_where(const char *where, int64_t *offset)
{
    char *end = NULL;
    if (strcmp(where, "beginning") == 0)
        *offset = KC_OFFSET_BEGINNING;
    else if (strcmp(where, "end") == 0)
        *offset = KC_OFFSET_END;
    else {
        const char *digits = where + (where[0] == '@');
        errno = 0;
        *offset = strtoll(digits, &end, 10);
        return *digits >= '0' && *digits <= '9' && !*end && !errno;
    }
    return true;
}

static int assign_all(struct consume *c, const kc_config *config)
{
    kc_error error;
    int64_t offset = KC_OFFSET_END;
    parse_where(c->where, &offset);
    int status = kct_all_partitions(config, c->topics[0], offset, &c->assigned, &c->assigned_count);
    if (status != KC_EXIT_OK)
        return status;
    if (c->partition >= 0) {
        if ((size_t)c->partition >= c->assigned_count)
            return kct_fail(KC_EXIT_FAILED, "topic %s has %zu partitions, no partition %lld", c->topics[0],
                            c->assigned_count, c->partition);
        c->assigned[0].partition = (int32_t)c->partition;
        c->assigned_count = 1;
    }
    if (c->where[0] == '@' &&
        kc_consumer_offsets_for_times(c->consumer, c->assigned, c->assigned_count, WATERMARK_MS, &error) != KC_OK)
        return kct_fail_error("finding the offsets of a time", &error);
    c->ends = calloc(c->assigned_count + 1, sizeof *c->ends);
    for (size_t i = 0; c->end_at_end && c->ends && i < c->assigned_count; i++) {
        int64_t low;
        if (kc_consumer_watermarks(c->consumer, c->topics[0], c->assigned[i].partition, &low, &c->ends[i], WATERMARK_MS,
                                   &error) != KC_OK)
            return kct_fail_error("finding the end of a partition", &error);
    }
    if (kc_consumer_assign(c->consumer, c->assigned, c->assigned_count, &error) != KC_OK)
        return kct_fail_error("assigning the partitions", &error);
    return KC_EXIT_OK;
}

/* With -e: is everything read? In a group: of what is assigned to us now. */
static bool all_read(struct consume *c)
{
    kc_error error;
    int64_t position, low, high;
    if (!c->group) {
        for (size_t i = 0; i < c->assigned_count; i++)
            if (kc_consumer_position(c->consumer, c->topics[0], c->assigned[i].partition, &position, 0, &error) !=
                    KC_OK ||
                position < c->ends[i])
                return false;
        return true;
    }
    size_t count = 0;
    kc_consumer_assignment(c->consumer, NULL, 0, &count);
    kc_topic_partition *mine = calloc(count + 1, sizeof *mine);
    bool done = mine && count > 0;
    if (done)
        kc_consumer_assignment(c->consumer, mine, count, &count);
    for (size_t i = 0; done && i < count; i++) {
        char topic[256];
        snprintf(topic, sizeof topic, "%s", mine[i].topic);
        done =
            kc_consumer_position(c->consumer, topic, mine[i].partition, &position, 0, &error) == KC_OK &&
            kc_consumer_watermarks(c->consumer, topic, mine[i].partition, &low, &high, WATERMARK_MS, &error) == KC_OK &&
            position >= high;
        if (done && i + 1 < count)
            kc_consumer_assignment(c->consumer, mine, count, &count);
    }
    free(mine);
    return done;
}

/* With -c, what was polled but not shown goes to the next reader of the group: the position, which is committed,
 * returns to the first of it in each partition. */
static void give_back(struct consume *c, kc_records *records)
{
    kc_record_view view;
    int64_t position;
    while (kc_records_next(records, &view))
        if (kc_consumer_position(c->consumer, view.topic, view.partition, &position, 0, NULL) == KC_OK &&
            position > view.offset)
            kc_consumer_seek(c->consumer, view.topic, view.partition, view.offset, NULL);
}

static int read_all(struct consume *c)
{
    while (!kct_interrupted && (c->limit < 0 || c->records < (unsigned long long)c->limit)) {
        kc_error error;
        kc_records *records;
        kc_record_view view;
        if (kc_consumer_poll(c->consumer, &records, POLL_MS, &error) != KC_OK) {
            if (error.traits & KC_RETRIABLE)
                continue;
            return kct_fail_error("poll", &error);
        }
        while ((c->limit < 0 || c->records < (unsigned long long)c->limit) && kc_records_next(records, &view)) {
            c->records++;
            if (!c->quiet && !kct_output_record(&c->output, &view)) {
                kc_records_release(records);
                return kct_fail(KC_EXIT_FAILED, "writing to stdout failed");
            }
        }
        if (records && c->group)
            give_back(c, records);
        bool nothing = records == NULL;
        kc_records_release(records);
        if (c->end_at_end && (nothing || !c->group) && all_read(c)) /* in a group it costs a request */
            break;
        if (nothing)
            fflush(stdout);
    }
    return KC_EXIT_OK;
}

static int run(struct consume *c, kc_config *config)
{
    kc_error error;
    if (kc_consumer_create(&c->consumer, config, &error) != KC_OK)
        return kct_fail_error("creating the consumer", &error);
    int status;
    if (!c->group)
        status = assign_all(c, config);
    else if (kc_consumer_subscribe(c->consumer, c->topics, c->topic_count, NULL, &error) == KC_OK)
        status = KC_EXIT_OK;
    else
        status = kct_fail_error("subscribing", &error);
    if (status == KC_EXIT_OK)
        status = read_all(c);
    if (fflush(stdout) != 0 && status == KC_EXIT_OK)
        status = kct_fail(KC_EXIT_FAILED, "writing to stdout failed");
    if (kc_consumer_close(c->consumer, CLOSE_MS) != KC_OK)
        kct_fail(0, "the last commit may not have reached the broker");
    if (c->quiet)
        fprintf(stderr, "%llu records\n", c->records);
    free(c->assigned);
    free(c->ends);
    return status;
}

static int check(struct consume *c, kc_config *config)
{
    int64_t offset;
    if (!c->topic_count)
        return kct_usage("consume", "-t TOPIC is missing");
    if (!c->group && c->topic_count > 1)
        return kct_usage("consume", "several topics need a group (-g)");
    if (c->group && c->partition >= 0)
        return kct_usage("consume", "-p and -g exclude each other");
    if ((c->output.format != NULL) + c->output.json + c->output.prefixed > 1)
        return kct_usage("consume", "-f, -J and -P exclude each other");
    if (c->output.format && !kct_output_format_ok(c->output.format))
        return kct_usage("consume", "-f: a percent sign needs one of t p o T k s K S h % behind it");
    if (!parse_where(c->where, &offset))
        return kct_usage("consume", "-o: beginning, end, OFFSET or @MILLISECONDS is needed");
    if (!c->group)
        return KC_EXIT_OK;
    if (offset >= 0)
        return kct_usage("consume", "in a group, -o may be beginning or end");
    kc_config_set(config, "group.id", c->group, NULL);
    kc_config_set(config, "auto.offset.reset", offset == KC_OFFSET_BEGINNING ? "earliest" : "latest", NULL);
    return KC_EXIT_OK;
}

static void take_option(struct consume *c, struct kct_command *k, int option)
{
    switch (option) {
    case 't':
        if (c->topic_count < TOPICS_MAX)
            c->topics[c->topic_count++] = optarg;
        break;
    case 'g':
        c->group = optarg;
        break;
    case 'p':
        kct_take_number(k, "-p", 0, INT32_MAX, &c->partition);
        break;
    case 'o':
        c->where = optarg;
        break;
    case 'c':
        kct_take_number(k, "-c", 0, INT64_MAX, &c->limit);
        break;
    case 'e':
        c->end_at_end = true;
        break;
    case 'f':
        c->output.format = optarg;
        break;
    case 'J':
        c->output.json = true;
        break;
    case 'P':
        c->output.prefixed = true;
        break;
    case 'q':
        c->quiet = true;
    }
}

int kct_consume(int argc, char **argv)
{
    static struct consume c = { .partition = -1, .limit = -1, .where = "end" };
    struct kct_command k = kct_begin("consume", help);
    if (k.config)
        kc_config_set(k.config, "max.poll.records", "10000", NULL);
    for (int option; (option = kct_option(&k, argc, argv, "t:g:p:o:c:ef:JPq", NULL)) != -1;)
        take_option(&c, &k, option);
    kct_no_more(&k, argc, argv, optind);
    if (k.status == KC_EXIT_OK)
        k.status = check(&c, k.config);
    if (k.status == KC_EXIT_OK)
        k.status = run(&c, k.config);
    return kct_end(&k);
}
