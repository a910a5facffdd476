/* The records of a KIP-848 group, byte for byte as Apache Kafka 4.x writes them.  Keys are of the old encoding (string:
 * int16 length and UTF-8), values of the flexible one (compact string and array: varint of size + 1, 0 is null; each
 * struct ends with its tagged fields).
 *
 *   key  3  group             value 0  epoch int32 | tag 0: hash of the topics int64
 *   key  5  group | member    value 0  instance? | rack? | client id | client host | [topic] | regex? |
 *                                      rebalance timeout int32 | assignor? | tag 0, of the classic protocol:
 *                                      1 int8 | session timeout int32 | [name | metadata]
 *   key  6  group             value 0  epoch of the target int32 | tag 0: when it was computed int64
 *   key  7  group | member    value 0  [topic id uuid | [partition int32]]                            the target
 *   key  8  group | member    value 0  epoch int32 | previous epoch int32 | state int8 | assigned | revoking: both
 *                                      [topic id uuid | [partition int32] | tag 0: [epoch of assignment int32]]
 *
 *   key 16  group | pattern   value 0  [topic] | version of the metadata int64 | when int64           what it matches
 *
 * A null value deletes the key.  Key 4 (topics of the group) was replaced by the hash in Kafka 4.0: it is not written,
 * and passed over. */
#include "mockbroker/core/modern_records.h"

#include "mockbroker/core/modern_pattern.h"
#include "mockbroker/core/tpset.h"

enum { KEY_EPOCH = 3, KEY_MEMBER = 5, KEY_TARGET_EPOCH = 6, KEY_TARGET = 7, KEY_CURRENT = 8, KEY_PATTERN = 16 };

/* ---- writing ---- */

static void begin(struct mb_group_records *records, int16_t key, struct kci_str group, const struct kci_str *member)
{
    mb_group_records_begin(records);
    kci_writer_i16(&records->bytes, key);
    mb_group_records_str(records, group);
    if (member)
        mb_group_records_str(records, *member);
    mb_group_records_end_key(records);
}

static void begin_value(struct mb_group_records *records, int16_t key, struct kci_str group,
                        const struct kci_str *member)
{
    begin(records, key, group, member);
    kci_writer_i16(&records->bytes, 0); /* version of the value */
}

static void put_str(struct kci_writer *w, struct kci_str text)
{
    kci_writer_uvarint(w, text.data ? (uint32_t)text.size + 1 : 0);
    kci_writer_bytes(w, text.data, text.size);
}

static void put_no_tags(struct kci_writer *w)
{
    kci_writer_uvarint(w, 0);
}

static void put_i64_tag(struct kci_writer *w, int64_t value)
{
    kci_writer_uvarint(w, 1);
    kci_writer_uvarint(w, 0);
    kci_writer_uvarint(w, 8);
    kci_writer_i64(w, value);
}

static void put_epochs_tag(struct kci_writer *w, const struct mb_tp *items, size_t count)
{
    kci_writer_uvarint(w, 1);
    kci_writer_uvarint(w, 0);
    kci_writer_uvarint(w, (uint32_t)(kci_uvarint_size((uint32_t)count + 1) + 4 * count));
    kci_writer_uvarint(w, (uint32_t)count + 1);
    for (size_t i = 0; i < count; i++)
        kci_writer_i32(w, items[i].epoch);
}

static void put_set(struct kci_writer *w, const struct mb_tpset *set, bool epochs)
{
    uint32_t topics = 0;
    for (size_t at = 0; at < set->count; at += mb_tpset_run(set, at))
        topics++;
    kci_writer_uvarint(w, topics + 1);
    for (size_t at = 0, run; at < set->count; at += run) {
        run = mb_tpset_run(set, at);
        kci_writer_bytes(w, set->items[at].topic.b, sizeof set->items[at].topic.b);
        kci_writer_uvarint(w, (uint32_t)run + 1);
        for (size_t i = 0; i < run; i++)
            kci_writer_i32(w, set->items[at + i].partition);
        if (epochs)
            put_epochs_tag(w, &set->items[at], run);
        else
            put_no_tags(w);
    }
}

void mb_modern_records_epoch(struct mb_group_records *records, const struct mb_group *group)
{
    begin_value(records, KEY_EPOCH, group->id, NULL);
    kci_writer_i32(&records->bytes, group->modern->epoch);
    put_i64_tag(&records->bytes, group->modern->topics_hash);
    mb_group_records_end_value(records);
}

void mb_modern_records_target_epoch(struct mb_group_records *records, const struct mb_group *group)
{
    begin_value(records, KEY_TARGET_EPOCH, group->id, NULL);
    kci_writer_i32(&records->bytes, group->modern->target_epoch);
    put_i64_tag(&records->bytes, group->modern->assigned_ms);
    mb_group_records_end_value(records);
}

static void put_bytes(struct kci_writer *w, struct kci_bytes bytes)
{
    kci_writer_uvarint(w, (uint32_t)bytes.size + 1);
    kci_writer_bytes(w, bytes.data, bytes.size);
}

/* A nullable struct as a tagged field: one byte that says that it is there, then the struct. */
static void put_classic_tag(struct kci_writer *w, const struct mb_modern_classic *classic)
{
    size_t size = 1 + 4 + kci_uvarint_size((uint32_t)classic->protocol_count + 1) + 1;
    for (size_t i = 0; i < classic->protocol_count; i++) {
        size_t name = classic->protocols[i].name.size, metadata = classic->protocols[i].metadata.size;
        size += kci_uvarint_size((uint32_t)name + 1) + name + kci_uvarint_size((uint32_t)metadata + 1) + metadata + 1;
    }
    kci_writer_uvarint(w, 1);
    kci_writer_uvarint(w, 0);
    kci_writer_uvarint(w, (uint32_t)size);
    kci_writer_i8(w, 1);
    kci_writer_i32(w, classic->session_timeout_ms);
    kci_writer_uvarint(w, (uint32_t)classic->protocol_count + 1);
    for (size_t i = 0; i < classic->protocol_count; i++) {
        put_str(w, classic->protocols[i].name);
        put_bytes(w, classic->protocols[i].metadata);
        put_no_tags(w);
    }
    put_no_tags(w);
}

void mb_modern_records_member(struct mb_group_records *records, const struct mb_modern_member *member)
{
    struct kci_writer *w = &records->bytes;
    begin_value(records, KEY_MEMBER, member->group->id, &member->id);
    put_str(w, member->instance_id);
    put_str(w, member->rack_id);
    put_str(w, member->client_id);
    put_str(w, member->client_host);
    kci_writer_uvarint(w, (uint32_t)member->topic_count + 1);
    for (size_t i = 0; i < member->topic_count; i++)
        put_str(w, member->topics[i]);
    put_str(w, mb_modern_member_regex(member));
    kci_writer_i32(w, member->rebalance_timeout_ms);
    put_str(w, member->assignor);
    if (member->classic)
        put_classic_tag(w, member->classic);
    else
        put_no_tags(w);
    mb_group_records_end_value(records);
}

void mb_modern_records_target(struct mb_group_records *records, const struct mb_modern_member *member)
{
    begin_value(records, KEY_TARGET, member->group->id, &member->id);
    put_set(&records->bytes, &member->target, false);
    put_no_tags(&records->bytes);
    mb_group_records_end_value(records);
}

void mb_modern_records_current(struct mb_group_records *records, const struct mb_modern_member *member)
{
    struct kci_writer *w = &records->bytes;
    begin_value(records, KEY_CURRENT, member->group->id, &member->id);
    kci_writer_i32(w, member->epoch);
    kci_writer_i32(w, member->previous_epoch);
    kci_writer_i8(w, (int8_t)member->state);
    put_set(w, &member->assigned, true);
    put_set(w, &member->revoking, true);
    put_no_tags(w);
    mb_group_records_end_value(records);
}

void mb_modern_records_no_member(struct mb_group_records *records, const struct mb_group *group, struct kci_str id)
{
    begin(records, KEY_CURRENT, group->id, &id);
    begin(records, KEY_TARGET, group->id, &id);
    begin(records, KEY_MEMBER, group->id, &id);
}

void mb_modern_records_pattern(struct mb_group_records *records, const struct mb_group *group,
                               const struct mb_modern_pattern *pattern)
{
    struct kci_writer *w = &records->bytes;
    begin_value(records, KEY_PATTERN, group->id, &pattern->text);
    kci_writer_uvarint(w, (uint32_t)pattern->topic_count + 1);
    for (size_t i = 0; i < pattern->topic_count; i++)
        put_str(w, pattern->topics[i]);
    kci_writer_i64(w, pattern->version);
    kci_writer_i64(w, pattern->resolved_ms);
    put_no_tags(w);
    mb_group_records_end_value(records);
}

void mb_modern_records_no_pattern(struct mb_group_records *records, const struct mb_group *group, struct kci_str text)
{
    begin(records, KEY_PATTERN, group->id, &text);
}

void mb_modern_records_forget(struct mb_group_records *records, const struct mb_group *group)
{
    if (!group->modern) {
        mb_group_records_no_group(records, group->id);
        return;
    }
    KCI_LIST_EACH(node, &group->modern->patterns)
    {
        mb_modern_records_no_pattern(records, group, KCI_CONTAINER(node, struct mb_modern_pattern, link)->text);
    }
    begin(records, KEY_TARGET_EPOCH, group->id, NULL);
    begin(records, KEY_EPOCH, group->id, NULL);
}

/* ---- reading ---- */

static struct kci_str get_key_str(struct kci_reader *r)
{
    int16_t size = kci_reader_i16(r);
    const uint8_t *data = size < 0 ? NULL : kci_reader_take(r, (size_t)size);
    r->failed |= size < 0;
    return (struct kci_str){ (const char *)data, data ? (size_t)size : 0 };
}

static struct kci_str get_str(struct kci_reader *r)
{
    uint32_t size = kci_reader_uvarint(r);
    const uint8_t *data = size ? kci_reader_take(r, size - 1) : NULL;
    return (struct kci_str){ (const char *)data, data ? size - 1 : 0 };
}

/* Elements of a compact array that has at least `least` bytes for each; null is empty. */
static size_t get_count(struct kci_reader *r, size_t least)
{
    uint32_t count = kci_reader_uvarint(r);
    r->failed |= count && (count - 1) > kci_reader_left(r) / least;
    return count && !r->failed ? count - 1 : 0;
}

/* The bytes of tag 0; the others are passed over. */
static struct kci_reader get_tags(struct kci_reader *r)
{
    struct kci_reader zero = kci_reader_of(NULL, 0);
    for (uint32_t left = kci_reader_uvarint(r); left && !r->failed; left--) {
        uint32_t tag = kci_reader_uvarint(r), size = kci_reader_uvarint(r);
        const uint8_t *data = kci_reader_take(r, size);
        if (tag == 0 && data)
            zero = kci_reader_of(data, size);
    }
    return zero;
}

/* False: no memory. A malformed set sets r->failed. */
static bool get_set(const struct kci_alloc *alloc, struct kci_reader *r, struct mb_tpset *set)
{
    size_t capacity = kci_reader_left(r) / 4; /* each partition takes four bytes */
    *set = (struct mb_tpset){ NULL, 0 };
    if (!mb_tpset_reserve(alloc, set, capacity))
        return false;
    for (size_t topics = get_count(r, 18); topics && !r->failed; topics--) {
        const uint8_t *id = kci_reader_take(r, sizeof set->items->topic.b);
        size_t first = set->count;
        for (size_t left = get_count(r, 4); left && id && set->count < capacity; left--) {
            struct mb_tp *tp = &set->items[set->count++];
            memcpy(tp->topic.b, id, sizeof tp->topic.b);
            tp->partition = kci_reader_i32(r);
        }
        struct kci_reader epochs = get_tags(r);
        size_t count = get_count(&epochs, 4);
        for (size_t i = 0; i < count && first + i < set->count; i++)
            set->items[first + i].epoch = kci_reader_i32(&epochs);
    }
    mb_tpset_normalize(set);
    if (r->failed || set->count == 0)
        mb_tpset_free(alloc, set);
    return true;
}

/* The classic half of a member, if it has one. False: no memory. A malformed one sets r->failed. */
static bool load_classic(struct mb_modern_member *member, struct kci_reader *r)
{
    struct kci_reader tag = get_tags(r);
    struct mb_group_identity who = { .protocol_count = 0 };
    mb_modern_member_unset_classic(member);
    if (kci_reader_left(&tag) == 0 || kci_reader_i8(&tag) < 0)
        return true;
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    who.session_timeout_ms = kci_reader_i32(&tag);
    who.protocol_count = get_count(&tag, 3);
    struct mb_group_protocol *protocols = kci_alloc_zero(alloc, who.protocol_count, sizeof *protocols);
    for (size_t i = 0; protocols && i < who.protocol_count; i++) {
        protocols[i].name = get_str(&tag);
        struct kci_str metadata = get_str(&tag); /* bytes are encoded alike */
        protocols[i].metadata = (struct kci_bytes){ (const uint8_t *)metadata.data, metadata.size };
        get_tags(&tag);
    }
    who.protocols = protocols;
    r->failed |= tag.failed || who.protocol_count == 0 || who.protocol_count > MB_GROUP_PROTOCOLS_MAX;
    bool done = protocols && (r->failed || mb_modern_member_set_classic(member, &who));
    kci_alloc_free(alloc, protocols);
    return done;
}

static enum mb_modern_load load_member(struct mb_modern_member *member, struct kci_reader *r)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct kci_str instance = get_str(r), rack = get_str(r), client = get_str(r), host = get_str(r);
    size_t count = get_count(r, 1);
    struct kci_str *names = kci_alloc_zero(alloc, count, sizeof *names);
    for (size_t i = 0; names && i < count; i++)
        names[i] = get_str(r);
    struct kci_str regex = get_str(r);
    int32_t timeout_ms = kci_reader_i32(r);
    struct kci_str assignor = get_str(r);
    enum mb_modern_pattern_change change;
    bool changed, done = false;
    if (names && !r->failed) {
        done = mb_modern_member_set_instance(member, instance) &&
               mb_modern_member_set_text(member, &member->rack_id, rack, &changed) &&
               mb_modern_member_set_text(member, &member->client_id, client, &changed) &&
               mb_modern_member_set_text(member, &member->client_host, host, &changed) &&
               mb_modern_member_set_pattern(member, regex, &change) &&
               mb_modern_member_set_text(member, &member->assignor, assignor, &changed) &&
               mb_modern_member_set_topics(member, names, count) && load_classic(member, r);
        member->rebalance_timeout_ms = timeout_ms;
        member->known = true;
    }
    kci_alloc_free(alloc, names);
    return r->failed ? MB_MODERN_MALFORMED : done ? MB_MODERN_LOADED : MB_MODERN_NO_MEMORY;
}

static enum mb_modern_load load_current(struct mb_modern_member *member, struct kci_reader *r)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct mb_tpset assigned = { NULL, 0 }, revoking = { NULL, 0 };
    int32_t epoch = kci_reader_i32(r), previous = kci_reader_i32(r);
    int8_t state = kci_reader_i8(r);
    bool done = get_set(alloc, r, &assigned) && get_set(alloc, r, &revoking);
    if (!done || r->failed || state < MB_MODERN_STABLE || state > MB_MODERN_UNRELEASED) {
        mb_tpset_free(alloc, &assigned);
        mb_tpset_free(alloc, &revoking);
        return done ? MB_MODERN_MALFORMED : MB_MODERN_NO_MEMORY;
    }
    member->epoch = epoch;
    member->previous_epoch = previous;
    member->state = (enum mb_modern_member_state)state;
    return mb_modern_member_hold(member, assigned, revoking) ? MB_MODERN_LOADED : MB_MODERN_NO_MEMORY;
}

static enum mb_modern_load load_target(struct mb_modern_member *member, struct kci_reader *r)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct mb_tpset target;
    if (!get_set(alloc, r, &target))
        return MB_MODERN_NO_MEMORY;
    mb_tpset_free(alloc, &member->target);
    member->target = target;
    return r->failed ? MB_MODERN_MALFORMED : MB_MODERN_LOADED;
}

static enum mb_modern_load load_epoch(struct mb_modern *modern, int16_t key, struct kci_reader *r)
{
    int32_t epoch = kci_reader_i32(r);
    struct kci_reader tag = get_tags(r);
    int64_t value = kci_reader_left(&tag) ? kci_reader_i64(&tag) : 0;
    if (r->failed)
        return MB_MODERN_MALFORMED;
    if (key == KEY_EPOCH) {
        modern->epoch = epoch;
        modern->topics_hash = value;
    } else {
        modern->target_epoch = epoch;
        modern->assigned_ms = value;
    }
    return MB_MODERN_LOADED;
}

static enum mb_modern_load load_pattern(struct mb_group *group, struct kci_str text, struct kci_reader *r)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    size_t count = get_count(r, 1);
    struct kci_str *names = kci_alloc_zero(alloc, count, sizeof *names);
    for (size_t i = 0; names && i < count; i++)
        names[i] = get_str(r);
    int64_t version = kci_reader_i64(r), resolved_ms = kci_reader_i64(r);
    bool done = names && (r->failed || mb_modern_pattern_load(group, text, names, count, version, resolved_ms));
    kci_alloc_free(alloc, names);
    return r->failed ? MB_MODERN_MALFORMED : done ? MB_MODERN_LOADED : MB_MODERN_NO_MEMORY;
}

/* What was written before is void. */
static void forget(struct mb_group *group, int16_t key, struct kci_str member_id)
{
    const struct mb_tpset nothing = { NULL, 0 };
    struct mb_modern_member *member = group->modern ? mb_modern_member_find(group, member_id) : NULL;
    if (key == KEY_EPOCH)
        mb_modern_detach(group);
    if (key == KEY_PATTERN && group->modern)
        mb_modern_pattern_load(group, member_id, NULL, 0, 0, 0);
    if (!member || key == KEY_PATTERN)
        return;
    if (key == KEY_MEMBER) {
        mb_modern_member_remove(member);
    } else if (key == KEY_TARGET) {
        mb_tpset_free(mb_group_alloc(group), &member->target);
    } else {
        mb_modern_member_hold(member, nothing, nothing);
        member->state = MB_MODERN_STABLE;
        member->epoch = 0;
        member->previous_epoch = -1;
    }
}

enum mb_modern_load mb_modern_load_record(struct mb_groups *groups, int32_t partition,
                                          const struct kci_record_view *view, int64_t now)
{
    struct kci_reader k = kci_reader_of(view->key.data, view->key.size);
    struct kci_reader v = kci_reader_of(view->value.data, view->value.size);
    int16_t key = kci_reader_i16(&k);
    bool of_member = key == KEY_MEMBER || key == KEY_TARGET || key == KEY_CURRENT || key == KEY_PATTERN; /* or that */
    struct mb_modern_member *member = NULL;
    if (k.failed || (!of_member && key != KEY_EPOCH && key != KEY_TARGET_EPOCH))
        return MB_MODERN_NOT_OURS;
    struct kci_str group_id = get_key_str(&k), member_id = { NULL, 0 };
    if (of_member)
        member_id = get_key_str(&k);
    if (k.failed || (view->value.data && kci_reader_i16(&v) != 0))
        return MB_MODERN_MALFORMED;
    if (mb_groups_partition_of(groups, group_id) != partition)
        return MB_MODERN_NOT_OURS;
    struct mb_group *group = mb_groups_find(groups, group_id);
    if (!view->value.data) {
        if (group && key != KEY_TARGET_EPOCH)
            forget(group, key, member_id);
        return MB_MODERN_LOADED;
    }
    if (!group)
        group = mb_groups_obtain(groups, group_id, now);
    if (!group || (!group->modern && !mb_modern_attach(group)))
        return MB_MODERN_NO_MEMORY;
    if (!of_member)
        return load_epoch(group->modern, key, &v);
    if (key == KEY_PATTERN)
        return load_pattern(group, member_id, &v);
    member = mb_modern_member_find(group, member_id);
    if (!member)
        member = mb_modern_member_add(group, member_id);
    if (!member)
        return MB_MODERN_NO_MEMORY;
    return key == KEY_MEMBER   ? load_member(member, &v)
           : key == KEY_TARGET ? load_target(member, &v)
                               : load_current(member, &v);
}

void mb_modern_loaded(struct mb_group *group, int64_t now)
{
    if (!group->modern)
        return;
    KCI_LIST_EACH(node, &group->modern->members)
    {
        struct mb_modern_member *member = KCI_CONTAINER(node, struct mb_modern_member, link);
        if (!member->known) {
            mb_modern_member_remove(member);
            continue;
        }
        mb_modern_member_alive(member, now);
        if (member->state == MB_MODERN_UNREVOKED)
            mb_modern_member_watch_revocation(member, now);
    }
}
