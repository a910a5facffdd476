/* Fetch response, versions 4 to 18; flexible from 12 on (sizes are unsigned varints of n + 1, structs end with tags).
 *
 *  throttle_time_ms i32 | error i16 (7+) | session_id i32 (7+) | topics [                                  | tags
 *      topic string (..12) or topic_id uuid (13+) | partitions [                                         | tags
 *          partition i32 | error i16 | high_watermark i64 | last_stable_offset i64 | log_start_offset i64 (5+)
 *          | aborted [ producer_id i64 | first_offset i64 | tags ]? | preferred_replica i32 (11+) | records bytes
 *          | tags: 0 diverging { epoch i32, end_offset i64 }  1 leader { id i32, epoch i32 }  2 snapshot id (ignored)
 *  tags of the response (16+): 0 node_endpoints [ id i32 | host string | port i32 | rack string? | tags ]
 *
 * Nothing is allocated, so counts need no bound of their own: each element consumes bytes. */
#include "consumer/fetch_response.h"

static bool flexible(int16_t version)
{
    return version >= 12;
}

static int32_t read_count(struct kci_reader *r, int16_t version) /* -1: null */
{
    int64_t count = flexible(version) ? (int64_t)kci_reader_uvarint(r) - 1 : kci_reader_i32(r);
    if (count < -1 || count > INT32_MAX)
        r->failed = true;
    return r->failed ? 0 : (int32_t)count;
}

static struct kci_bytes read_bytes(struct kci_reader *r, int64_t size)
{
    struct kci_bytes bytes = { NULL, 0 };
    if (size < -1)
        r->failed = true;
    if (size >= 0 && !r->failed)
        bytes = (struct kci_bytes){ kci_reader_take(r, (size_t)size), (size_t)size };
    if (!bytes.data)
        bytes.size = 0;
    return bytes;
}

static struct kci_str read_string(struct kci_reader *r, int16_t version)
{
    int64_t size = flexible(version) ? (int64_t)kci_reader_uvarint(r) - 1 : kci_reader_i16(r);
    struct kci_bytes bytes = read_bytes(r, size);
    return (struct kci_str){ (const char *)bytes.data, bytes.size };
}

/* Next tagged field of a list of `*left`; *body is its bytes. */
static bool read_tag(struct kci_reader *r, uint32_t *left, uint32_t *tag, struct kci_reader *body)
{
    if (!*left || r->failed)
        return false;
    --*left;
    *tag = kci_reader_uvarint(r);
    uint32_t size = kci_reader_uvarint(r);
    const uint8_t *data = kci_reader_take(r, size);
    *body = kci_reader_of(data, data ? size : 0);
    return data != NULL;
}

static void skip_tags(struct kci_reader *r, int16_t version)
{
    struct kci_reader body;
    uint32_t tag, left = flexible(version) ? kci_reader_uvarint(r) : 0;
    while (read_tag(r, &left, &tag, &body))
        continue;
}

bool kci_fetch_response_begin(struct kci_fetch_reading *response, struct kci_reader body, int16_t version)
{
    *response = (struct kci_fetch_reading){ .r = body, .version = version };
    kci_reader_i32(&response->r); /* throttle time: the connection honours it */
    if (version >= 7) {
        response->error = kci_reader_i16(&response->r);
        response->session_id = kci_reader_i32(&response->r);
    }
    response->topics_left = read_count(&response->r, version);
    return !response->r.failed && response->topics_left >= 0;
}

static bool next_topic(struct kci_fetch_reading *response)
{
    struct kci_reader *r = &response->r;
    response->topics_left--;
    if (response->version >= KCI_FETCH_VERSION_IDS) {
        const uint8_t *id = kci_reader_take(r, sizeof response->topic_id);
        if (id)
            memcpy(&response->topic_id, id, sizeof response->topic_id);
    } else {
        response->topic = read_string(r, response->version);
        if (!response->topic.data)
            r->failed = true;
    }
    response->partitions_left = read_count(r, response->version);
    return !r->failed && response->partitions_left >= 0;
}

static void partition_tags(struct kci_reader *r, struct kci_fetch_partition *p)
{
    struct kci_reader body;
    uint32_t tag, left = kci_reader_uvarint(r);
    while (read_tag(r, &left, &tag, &body)) {
        if (tag == 0) {
            p->diverging_epoch = kci_reader_i32(&body);
            p->diverging_offset = kci_reader_i64(&body);
        } else if (tag == 1) {
            p->leader = kci_reader_i32(&body);
            p->leader_epoch = kci_reader_i32(&body);
        }
        r->failed |= body.failed;
    }
}

static bool next_partition(struct kci_fetch_reading *response, struct kci_fetch_partition *p)
{
    struct kci_reader *r = &response->r;
    int16_t version = response->version;
    response->partitions_left--;
    *p = (struct kci_fetch_partition){ .topic = response->topic,
                                       .topic_id = response->topic_id,
                                       .version = version,
                                       .log_start_offset = -1,
                                       .diverging_epoch = -1,
                                       .diverging_offset = -1,
                                       .leader = -1,
                                       .leader_epoch = -1,
                                       .preferred_replica = -1 };
    p->partition = kci_reader_i32(r);
    p->error = kci_reader_i16(r);
    p->high_watermark = kci_reader_i64(r);
    p->last_stable_offset = kci_reader_i64(r);
    if (version >= 5)
        p->log_start_offset = kci_reader_i64(r);
    p->aborted_count = read_count(r, version);
    if (p->aborted_count < 0)
        p->aborted_count = 0;
    p->aborted = *r;
    for (int32_t i = 0; i < p->aborted_count && !r->failed; i++) {
        kci_reader_take(r, 16);
        skip_tags(r, version);
    }
    if (version >= 11)
        p->preferred_replica = kci_reader_i32(r);
    p->records = read_bytes(r, flexible(version) ? (int64_t)kci_reader_uvarint(r) - 1 : kci_reader_i32(r));
    if (flexible(version))
        partition_tags(r, p);
    return !r->failed;
}

/* The tags that end the response: remember where the endpoints are. */
static bool read_tail(struct kci_fetch_reading *response)
{
    struct kci_reader body;
    uint32_t tag, left = flexible(response->version) ? kci_reader_uvarint(&response->r) : 0;
    while (read_tag(&response->r, &left, &tag, &body)) {
        if (tag != 0 || response->version < 16)
            continue;
        response->endpoints_left = read_count(&body, response->version);
        response->endpoints = body;
        response->r.failed |= body.failed;
    }
    return !response->r.failed;
}

int kci_fetch_response_next(struct kci_fetch_reading *response, struct kci_fetch_partition *partition)
{
    while (!response->r.failed) {
        if (response->partitions_left > 0) {
            if (!next_partition(response, partition))
                return -1;
            if (response->partitions_left == 0)
                skip_tags(&response->r, response->version); /* of the topic */
            return response->r.failed ? -1 : 1;
        }
        if (response->topics_left == 0)
            return read_tail(response) ? 0 : -1;
        if (!next_topic(response))
            return -1;
        if (response->partitions_left == 0)
            skip_tags(&response->r, response->version);
    }
    return -1;
}

bool kci_fetch_response_endpoint(struct kci_fetch_reading *response, struct kci_fetch_endpoint *endpoint)
{
    struct kci_reader *r = &response->endpoints;
    if (response->endpoints_left <= 0)
        return false;
    response->endpoints_left--;
    endpoint->node = kci_reader_i32(r);
    endpoint->host = read_string(r, response->version);
    endpoint->port = kci_reader_i32(r);
    endpoint->rack = read_string(r, response->version);
    skip_tags(r, response->version);
    return !r->failed && endpoint->host.data;
}

bool kci_fetch_response_aborted(struct kci_reader *aborted, int16_t version, int64_t *producer_id,
                                int64_t *first_offset)
{
    *producer_id = kci_reader_i64(aborted);
    *first_offset = kci_reader_i64(aborted);
    skip_tags(aborted, version);
    return !aborted->failed;
}
