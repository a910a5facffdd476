/* The records of __consumer_offsets, byte for byte as Apache Kafka writes them, so that its tools can read a data
 * directory of ours and a dump of the topic means something.  All integers big-endian; string: int16 length (-1: null)
 * and UTF-8; bytes: int32 length.
 *
 *   an offset
 *   key    0, 1  int16 version | group string | topic string | partition int32                      (0 is older)
 *   value  0-3   int16 version | offset int64 | leaderEpoch int32 (3) | metadata string | commitTimestamp int64 |
 *                expireTimestamp int64 (1)
 *
 *   a group
 *   key    2     int16 version | group string
 *   value  0-3   int16 version | protocolType string | generation int32 | protocol string? | leader string? |
 *                currentStateTimestamp int64 (2, 3) | count int32 | members
 *   member       id string | groupInstanceId string? (3) | clientId string | clientHost string |
 *                rebalanceTimeout int32 (1-3) | sessionTimeout int32 | subscription bytes | assignment bytes
 *
 * A null value deletes the key.  Other keys belong to other kinds of groups: modern_records.c.
 *
 * We write offset values 3 (1 if the commit came with an expiry of its own, as before KIP-211) and group values 3. */
#include "mockbroker/core/group_records.h"

#include "mockbroker/core/group_member.h"
#include "mockbroker/core/group_offsets.h"
#include "mockbroker/core/group_registry.h"

enum { KEY_OFFSET = 1, KEY_GROUP = 2, VALUE_VERSION_MAX = 3, VALUE_WITH_EXPIRY = 1 };

struct mb_group_record_span {
    size_t key_start, key_end, value_end; /* in bytes; the value begins at key_end */
    bool tombstone;
};

/* ---- writing ---- */

struct mb_group_records mb_group_records_of(const struct kci_alloc *alloc)
{
    return (struct mb_group_records){ .alloc = alloc,
                                      .bytes = kci_writer_of(alloc, MB_GROUP_RECORD_BYTES),
                                      .producer_id = -1 };
}

static void put_str(struct mb_group_records *records, struct kci_str text)
{
    if (text.size > INT16_MAX)
        records->failed = true;
    kci_writer_i16(&records->bytes, text.data ? (int16_t)text.size : -1);
    kci_writer_bytes(&records->bytes, text.data, text.size);
}

static void put_bytes(struct mb_group_records *records, struct kci_bytes bytes)
{
    if (bytes.size > MB_GROUP_RECORD_BYTES)
        records->failed = true;
    kci_writer_i32(&records->bytes, (int32_t)bytes.size);
    kci_writer_bytes(&records->bytes, bytes.data, bytes.size);
}

/* A new record whose key begins here; never NULL: after a failure it goes into a place that nobody reads. */
static struct mb_group_record_span *begin_record(struct mb_group_records *records)
{
    static struct mb_group_record_span nowhere;
    if (records->count == records->capacity) {
        size_t capacity = records->capacity ? records->capacity * 2 : 8;
        struct mb_group_record_span *spans = kci_alloc_resize(records->alloc, records->spans, capacity * sizeof *spans);
        if (!spans) {
            records->failed = true;
            return &nowhere;
        }
        records->spans = spans;
        records->capacity = capacity;
    }
    struct mb_group_record_span *span = &records->spans[records->count++];
    *span = (struct mb_group_record_span){ .key_start = records->bytes.size };
    return span;
}

void mb_group_records_begin(struct mb_group_records *records)
{
    begin_record(records);
}

void mb_group_records_str(struct mb_group_records *records, struct kci_str text)
{
    put_str(records, text);
}

void mb_group_records_end_key(struct mb_group_records *records)
{
    if (records->failed)
        return;
    struct mb_group_record_span *span = &records->spans[records->count - 1];
    span->key_end = span->value_end = records->bytes.size;
    span->tombstone = true;
}

void mb_group_records_end_value(struct mb_group_records *records)
{
    if (records->failed)
        return;
    struct mb_group_record_span *span = &records->spans[records->count - 1];
    span->value_end = records->bytes.size;
    span->tombstone = false;
}

static struct mb_group_record_span *begin_offset(struct mb_group_records *records, struct kci_str group,
                                                 struct kci_str topic, int32_t partition)
{
    struct mb_group_record_span *span = begin_record(records);
    kci_writer_i16(&records->bytes, KEY_OFFSET);
    put_str(records, group);
    put_str(records, topic);
    kci_writer_i32(&records->bytes, partition);
    span->key_end = span->value_end = records->bytes.size;
    return span;
}

void mb_group_records_offset(struct mb_group_records *records, struct kci_str group, struct kci_str topic,
                             int32_t partition, const struct mb_offset *offset)
{
    struct mb_group_record_span *span = begin_offset(records, group, topic, partition);
    bool expires = offset->expire_ms >= 0;
    kci_writer_i16(&records->bytes, expires ? VALUE_WITH_EXPIRY : VALUE_VERSION_MAX);
    kci_writer_i64(&records->bytes, offset->offset);
    if (!expires)
        kci_writer_i32(&records->bytes, offset->leader_epoch);
    put_str(records, offset->metadata);
    kci_writer_i64(&records->bytes, offset->commit_ms);
    if (expires)
        kci_writer_i64(&records->bytes, offset->expire_ms);
    span->value_end = records->bytes.size;
}

void mb_group_records_no_offset(struct mb_group_records *records, struct kci_str group, struct kci_str topic,
                                int32_t partition)
{
    begin_offset(records, group, topic, partition)->tombstone = true;
}

static struct mb_group_record_span *begin_group(struct mb_group_records *records, struct kci_str group)
{
    struct mb_group_record_span *span = begin_record(records);
    kci_writer_i16(&records->bytes, KEY_GROUP);
    put_str(records, group);
    span->key_end = span->value_end = records->bytes.size;
    return span;
}

void mb_group_records_group(struct mb_group_records *records, const struct mb_group *group, bool proposed)
{
    struct mb_group_record_span *span = begin_group(records, group->id);
    struct kci_writer *w = &records->bytes;
    struct kci_str none = { NULL, 0 }, empty = { "", 0 };
    kci_writer_i16(w, VALUE_VERSION_MAX);
    put_str(records, group->protocol_type.data ? group->protocol_type : empty);
    kci_writer_i32(w, group->generation);
    put_str(records, group->protocol);
    put_str(records, group->leader ? group->leader->id : none);
    kci_writer_i64(w, group->state_since_ms);
    kci_writer_i32(w, (int32_t)group->member_count);
    KCI_LIST_EACH(node, &group->members)
    {
        const struct mb_group_member *member = KCI_CONTAINER(node, struct mb_group_member, link);
        put_str(records, member->id);
        put_str(records, member->instance_id);
        put_str(records, member->client_id);
        put_str(records, member->client_host);
        kci_writer_i32(w, member->rebalance_timeout_ms);
        kci_writer_i32(w, member->session_timeout_ms);
        put_bytes(records, mb_group_member_metadata(member, group->protocol));
        put_bytes(records, proposed ? member->proposed : member->assignment);
    }
    span->value_end = w->size;
}

void mb_group_records_no_group(struct mb_group_records *records, struct kci_str group)
{
    begin_group(records, group)->tombstone = true;
}

void mb_group_records_append(struct mb_group_records *records, struct mb_cluster *cluster, int32_t partition,
                             void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    bool failed = records->failed || records->bytes.failed;
    struct kci_record *list = failed ? NULL : kci_alloc_zero(records->alloc, records->count, sizeof *list);
    for (size_t i = 0; list && i < records->count; i++) {
        const struct mb_group_record_span *span = &records->spans[i];
        const uint8_t *data = records->bytes.data;
        list[i].timestamp_ms = mb_cluster_wall_ms(cluster, now);
        list[i].key = (struct kci_bytes){ data + span->key_start, span->key_end - span->key_start };
        if (!span->tombstone)
            list[i].value = (struct kci_bytes){ data + span->key_end, span->value_end - span->key_end };
    }
    bool in_transaction = records->producer_id >= 0;
    int codec =
        (int)mb_cluster_property(cluster, "offsets.topic.compression.codec"); /* the numbers of Kafka's codecs */
    struct kci_batch_header header = { .magic = 2,
                                       .attributes = (int16_t)((in_transaction ? KCI_BATCH_TRANSACTIONAL : 0) | codec),
                                       .producer_id = in_transaction ? records->producer_id : -1,
                                       .producer_epoch = (int16_t)(in_transaction ? records->producer_epoch : -1),
                                       .base_sequence = -1 };
    if (list)
        mb_internal_append(cluster, kci_str_of(MB_OFFSETS_TOPIC), partition, &header, list, records->count, done, owner,
                           now);
    else
        done(owner, records->bytes.size >= MB_GROUP_RECORD_BYTES ? KCI_MESSAGE_TOO_LARGE : KCI_UNKNOWN_SERVER_ERROR,
             now);
    kci_alloc_free(records->alloc, list);
    mb_group_records_discard(records);
}

bool mb_group_records_empty(const struct mb_group_records *records)
{
    return records->count == 0 && !records->failed && !records->bytes.failed;
}

void mb_group_records_discard(struct mb_group_records *records)
{
    kci_alloc_free(records->alloc, records->spans);
    kci_writer_destroy(&records->bytes);
    records->spans = NULL;
    records->count = records->capacity = 0;
}

static void nobody_waits(void *owner, int16_t error, int64_t now)
{
    (void)owner, (void)error, (void)now; /* an empty group that is not in the log is a group that never was */
}

void mb_group_records_write_empty(const struct mb_group *group, int64_t now)
{
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    mb_group_records_group(&records, group, false);
    mb_group_records_append(&records, mb_group_cluster(group), group->partition, nobody_waits, NULL, now);
}

/* ---- reading ---- */

static struct kci_str get_str(struct kci_reader *r, bool nullable)
{
    int16_t size = kci_reader_i16(r);
    if (size < 0) {
        r->failed |= !nullable || size != -1;
        return (struct kci_str){ NULL, 0 };
    }
    const uint8_t *data = kci_reader_take(r, (size_t)size);
    return (struct kci_str){ (const char *)data, data ? (size_t)size : 0 };
}

static struct kci_bytes get_bytes(struct kci_reader *r)
{
    int32_t size = kci_reader_i32(r);
    const uint8_t *data = size < 0 ? NULL : kci_reader_take(r, (size_t)size);
    r->failed |= size < 0;
    return (struct kci_bytes){ data, data ? (size_t)size : 0 };
}

static void read_offset(struct kci_reader *r, int16_t version, struct mb_group_record *out)
{
    out->commit.offset = kci_reader_i64(r);
    out->commit.leader_epoch = version >= 3 ? kci_reader_i32(r) : -1;
    out->commit.metadata = get_str(r, false);
    out->commit.commit_ms = kci_reader_i64(r);
    out->commit.expire_ms = version == VALUE_WITH_EXPIRY ? kci_reader_i64(r) : -1;
}

static void read_group(struct kci_reader *r, int16_t version, struct mb_group_record *out)
{
    out->meta.version = version;
    out->meta.protocol_type = get_str(r, false);
    out->meta.generation = kci_reader_i32(r);
    out->meta.protocol = get_str(r, true);
    out->meta.leader = get_str(r, true);
    out->meta.state_since_ms = version >= 2 ? kci_reader_i64(r) : -1;
    out->meta.members_left = kci_reader_i32(r);
    out->meta.members = *r;
    r->failed |= out->meta.members_left < 0 || out->meta.members_left > MB_GROUP_MEMBERS_MAX;
}

bool mb_group_records_read(const struct kci_record_view *view, struct mb_group_record *out)
{
    struct kci_reader key = kci_reader_of(view->key.data, view->key.size);
    struct kci_reader value = kci_reader_of(view->value.data, view->value.size);
    int16_t key_version = kci_reader_i16(&key);
    *out = (struct mb_group_record){ .tombstone = view->value.data == NULL };
    if (key.failed || key_version < 0)
        return false;
    if (key_version > KEY_GROUP)
        return true;
    out->kind = key_version == KEY_GROUP ? MB_GROUP_RECORD_GROUP : MB_GROUP_RECORD_OFFSET;
    out->group = get_str(&key, false);
    if (out->kind == MB_GROUP_RECORD_OFFSET) {
        out->commit.topic = get_str(&key, false);
        out->commit.partition = kci_reader_i32(&key);
    }
    if (key.failed || out->tombstone)
        return !key.failed;
    int16_t version = kci_reader_i16(&value);
    if (version < 0 || version > VALUE_VERSION_MAX)
        return false;
    if (out->kind == MB_GROUP_RECORD_OFFSET)
        read_offset(&value, version, out);
    else
        read_group(&value, version, out);
    return !value.failed;
}

int mb_group_records_next_member(struct mb_group_record *record, struct mb_group_record_member *out)
{
    struct kci_reader *r = &record->meta.members;
    if (record->meta.members_left == 0)
        return 0;
    record->meta.members_left--;
    out->id = get_str(r, false);
    out->instance_id = record->meta.version >= 3 ? get_str(r, true) : (struct kci_str){ NULL, 0 };
    out->client_id = get_str(r, false);
    out->client_host = get_str(r, false);
    out->rebalance_timeout_ms = record->meta.version >= 1 ? kci_reader_i32(r) : -1;
    out->session_timeout_ms = kci_reader_i32(r);
    if (out->rebalance_timeout_ms < 0)
        out->rebalance_timeout_ms = out->session_timeout_ms;
    out->subscription = get_bytes(r);
    out->assignment = get_bytes(r);
    return r->failed ? -1 : 1;
}
