/* What the brokers' logs hold: read into the history at the end, compared between replicas, and looked at before and
 * after a loss of power. */
#include "actors.h"

#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_records.h"
#include "protocol/records.h"

#define PLAIN_BYTES_MAX    ((size_t)16 << 20)
#define OFFSETS_PARTITIONS 3 /* at most */

/* ---- walking ---- */

bool sim_log_walk(struct sim_stage *stage, struct mb_log *log, int64_t to, sim_log_fn each, void *context)
{
    return sim_log_walk_from(stage, log, log->start_offset, to, each, context);
}

bool sim_log_walk_from(struct sim_stage *stage, struct mb_log *log, int64_t from, int64_t to, sim_log_fn each,
                       void *context)
{
    for (size_t i = mb_log_find(log, from); i < log->count && mb_log_entry(log, i)->base_offset < to; i++) {
        const uint8_t *bytes = mb_log_bytes(log, i);
        size_t size = mb_log_entry(log, i)->size;
        struct kci_batch_iterator it;
        struct kci_record_view view;
        int more = -1;
        if (!bytes || !kci_batch_crc_ok(bytes, size) ||
            kci_batch_open(&it, bytes, size, stage->alloc, PLAIN_BYTES_MAX) != KCI_BATCH_OK)
            return false;
        while ((more = kci_batch_next(&it, &view)) == 1)
            if (view.offset >= from && view.offset < to)
                each(context, &it.header, &view);
        kci_batch_close(&it);
        if (more < 0)
            return false;
    }
    return true;
}

struct sim_logged sim_logged_of(const struct kci_batch_header *header, const struct kci_record_view *view)
{
    struct kci_reader headers = view->headers;
    struct kci_bytes bytes = view->value;
    struct kci_str name;
    bool tombstone = !view->value.data;
    if (tombstone && view->header_count)
        kci_record_header_next(&headers, &name, &bytes);
    return (struct sim_logged){ .value = sim_value_read(bytes.data, bytes.size),
                                .offset = view->offset,
                                .timestamp_ms = view->timestamp_ms,
                                .leader_epoch = header->leader_epoch,
                                .key = sim_key_read(view->key.data, view->key.size),
                                .tombstone = tombstone };
}

/* ---- at the end ---- */

struct reading {
    struct sim_brokers *brokers;
    int32_t partition;
};

static void read_order(void *context, const struct kci_batch_header *header, const struct kci_record_view *view)
{
    const struct reading *r = context;
    struct sim_logged logged = sim_logged_of(header, view);
    sim_trace(&r->brokers->stage->world, (uint64_t)view->offset << 32 | logged.value.checksum);
    sim_history_logged(&r->brokers->stage->history, r->partition, logged);
}

static void read_commit(void *context, const struct kci_batch_header *header, const struct kci_record_view *view)
{
    struct sim_stage *stage = ((const struct reading *)context)->brokers->stage;
    struct mb_group_record record;
    (void)header;
    if (!mb_group_records_read(view, &record) || record.kind != MB_GROUP_RECORD_OFFSET || record.tombstone ||
        !kci_str_equal(record.group, kci_str_of(SIM_GROUP)) || record.commit.partition >= stage->workload.partitions)
        return;
    sim_history_commit(&stage->history, (struct sim_commit){ .partition = record.commit.partition,
                                                             .offset = record.commit.offset,
                                                             .at_ms = record.commit.commit_ms - SIM_WALL_MS });
}

static void read_all(struct sim_brokers *b, const char *name, int32_t partitions, sim_log_fn each)
{
    const struct mb_topic *found = mb_topic_find(b->cluster, kci_str_of(name));
    for (int32_t p = 0; found && p < partitions && p < found->partition_count; p++) {
        struct mb_replica *leader = mb_partition_leader(found->partitions[p]);
        struct reading reading = { b, p };
        if (leader && !sim_log_walk(b->stage, &leader->log, leader->high_watermark, each, &reading))
            sim_violation(&b->stage->verdict, "B3", "%s-%d cannot be read", name, p);
    }
}

static bool same_log(struct mb_log *a, struct mb_log *b)
{
    if (a->count != b->count || a->end_offset != b->end_offset)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct mb_log_entry *x = mb_log_entry(a, i), *y = mb_log_entry(b, i);
        if (x->base_offset != y->base_offset || x->size != y->size ||
            memcmp(mb_log_bytes(a, i), mb_log_bytes(b, i), x->size) != 0)
            return false;
    }
    return true;
}

void sim_brokers_compare(struct sim_brokers *b)
{
    if (b->stage->workload.gaps.on) {
        sim_gaps_compare(b);
        return;
    }
    const struct mb_topic *found = mb_topic_find(b->cluster, kci_str_of(SIM_TOPIC));
    for (int32_t p = 0; p < found->partition_count; p++) {
        struct mb_partition *partition = found->partitions[p];
        for (int32_t i = 1; i < partition->replica_count; i++)
            if (!same_log(&partition->replicas[0].log, &partition->replicas[i].log))
                sim_violation(&b->stage->verdict, "B3", "brokers %d and %d differ in partition %d",
                              partition->replicas[0].broker, partition->replicas[i].broker, p);
    }
}

void sim_brokers_read(struct sim_brokers *b)
{
    if (b->stage->workload.gaps.on)
        sim_gaps_read(b);
    else
        read_all(b, SIM_TOPIC, b->stage->workload.partitions, read_order);
    read_all(b, SIM_OFFSETS_TOPIC, OFFSETS_PARTITIONS, read_commit);
}
