/* Logs with holes: the topic's records go by age, by size, by DeleteRecords, or because a later one has their key, while
 * it is written and read.  What was committed is written down before it can go: the brokers' engine is watched, and
 * looked at before and after each call.
 *
 *      B3    only what is committed goes, and not from the segment that is written to
 *            the last record of each key stays; a tombstone stays for delete.retention.ms
 *            what is too young, and needs no room, stays, unless DeleteRecords has asked for it
 *            what replicas have of the committed log is the same; the last of each key they all have
 *
 * Replicas are cleaned each at its own time, so a record is gone for the checks of readers as soon as one of them has it
 * no more. */
#include "actors.h"

#include "mockbroker/core/cluster.h"

#include <assert.h>
#include <stdio.h>

#define SETTINGS 10

struct sim_gaps_watch {
    struct sim_brokers *brokers;
    struct kci_engine inner; /* the brokers themselves */
    struct kci_prng prng;
    struct sim_alarm deletes;
    char settings[SETTINGS][60];
    const char *configs[SETTINGS];
    int64_t upto[SIM_PARTITIONS_MAX];     /* all that was committed below it is written down */
    int64_t asked[SIM_PARTITIONS_MAX];    /* by DeleteRecords: nothing below has to be there */
    int64_t start[SIM_PARTITIONS_MAX];    /* the highest beginning of a replica's log, ever */
    uint64_t bytes[SIM_PARTITIONS_MAX];   /* when it was last looked at */
    int64_t start_at[SIM_PARTITIONS_MAX]; /* when it was seen first; microseconds */
    int64_t cleaned[SIM_PARTITIONS_MAX];  /* as far as any replica has cleaned: the others may copy from it */
    struct sim_gaps_seen {
        int64_t cleaned, start;
    } seen[SIM_PARTITIONS_MAX][SIM_BROKERS]; /* of each replica, after the last look at its holes */
};

static struct mb_partition *partition_of(const struct sim_brokers *b, int32_t index)
{
    const struct mb_topic *found = b->cluster ? mb_topic_find(b->cluster, kci_str_of(SIM_TOPIC)) : NULL;
    return found ? mb_topic_partition(found, index) : NULL;
}

static struct sim_log *log_of(const struct sim_brokers *b, int32_t partition)
{
    return &b->stage->history.logs.items[partition];
}

/* ---- what is committed is written down ---- */

struct writing {
    struct sim_brokers *brokers;
    int32_t partition;
};

static void write_down(void *context, const struct kci_batch_header *header, const struct kci_record_view *view)
{
    const struct writing *writing = context;
    struct sim_stage *stage = writing->brokers->stage;
    struct sim_logged record = sim_logged_of(header, view);
    record.stored_at = stage->world.now;
    sim_trace(&stage->world, (uint64_t)view->offset << 32 | record.value.checksum);
    sim_history_logged(&stage->history, writing->partition, record);
}

static void write_committed(struct sim_brokers *b, int32_t p, const struct mb_partition *partition)
{
    struct sim_gaps_watch *gaps = b->gaps;
    struct mb_replica *leader = mb_partition_leader(partition);
    struct writing writing = { b, p };
    if (!leader || leader->high_watermark <= gaps->upto[p])
        return;
    if (!sim_log_walk_from(b->stage, &leader->log, gaps->upto[p], leader->high_watermark, write_down, &writing))
        sim_violation(&b->stage->verdict, "B3", "partition %d cannot be read at broker %d", p, leader->broker);
    gaps->upto[p] = leader->high_watermark;
}

/* ---- what goes ---- */

struct hole_finder {
    struct sim_brokers *brokers;
    const struct mb_replica *replica;
    struct sim_log *log;
    size_t next;                  /* record of `log` that is looked for */
    int64_t latest[SIM_KEYS_MAX]; /* of each key, in what is cleaned */
};

/* A record that lies behind the beginning of the replica's log is not there any more. */
static void look_at_hole(struct hole_finder *f, struct sim_logged *record)
{
    struct sim_stage *stage = f->brokers->stage;
    const struct sim_gaps *w = &stage->workload.gaps;
    int64_t now = stage->world.now;
    bool replaced = w->compact && record->key >= 0 && f->latest[record->key] > record->offset;
    bool expired = w->compact && record->tombstone && now - record->stored_at >= w->tombstone_ms * SIM_MS;
    if (!replaced && !expired)
        sim_violation(&stage->verdict, "B3", "partition %d: broker %d has no more offset %lld, %s",
                      f->replica->partition->index, f->replica->broker, (long long)record->offset,
                      record->tombstone ? "a tombstone that is too young to go" : "which is the last one of its key");
    else if (record->timestamp_ms > SIM_WALL_MS + now / SIM_MS - w->lag_ms)
        sim_violation(&stage->verdict, "B3", "partition %d: broker %d has no more offset %lld, which is too young",
                      f->replica->partition->index, f->replica->broker, (long long)record->offset);
    if (!record->gone_at)
        record->gone_at = now;
}

static void find_holes(void *context, const struct kci_batch_header *header, const struct kci_record_view *view)
{
    struct hole_finder *f = context;
    struct sim_log *log = f->log;
    while (f->next < log->records.count && log->records.items[f->next].offset < view->offset)
        look_at_hole(f, &log->records.items[f->next++]);
    if (f->next == log->records.count || log->records.items[f->next].offset != view->offset)
        return; /* not committed yet; or gone when it was written down */
    const struct sim_logged *was = &log->records.items[f->next++], is = sim_logged_of(header, view);
    if (was->value.checksum != is.value.checksum || was->value.counter != is.value.counter || was->key != is.key ||
        was->timestamp_ms != is.timestamp_ms || was->tombstone != is.tombstone)
        sim_violation(&f->brokers->stage->verdict, "B3", "partition %d: broker %d has another record at offset %lld",
                      f->replica->partition->index, f->replica->broker, (long long)was->offset);
}

/* Below its high watermark: what else it has may be of another history. */
static void look_for_holes(struct sim_brokers *b, int32_t p, struct mb_replica *replica)
{
    struct hole_finder finder = { .brokers = b, .replica = replica, .log = log_of(b, p) };
    struct sim_log *log = finder.log;
    for (int32_t i = 0; i < SIM_KEYS_MAX; i++)
        finder.latest[i] = -1;
    for (size_t i = 0; i < log->records.count; i++) {
        struct sim_logged *record = &log->records.items[i];
        if (record->key >= 0 && record->offset < b->gaps->cleaned[p])
            finder.latest[record->key] = record->offset;
        if (record->offset < replica->log.start_offset) {
            finder.next = i + 1;
            if (!record->gone_at)
                record->gone_at = b->stage->world.now;
        }
    }
    if (!sim_log_walk(b->stage, &replica->log, replica->high_watermark, find_holes, &finder))
        sim_violation(&b->stage->verdict, "B3", "partition %d cannot be read at broker %d", p, replica->broker);
    while (finder.next < log->records.count && log->records.items[finder.next].offset < replica->high_watermark)
        look_at_hole(&finder, &log->records.items[finder.next++]);
}

/* Of the largest replica. */
static uint64_t bytes_of(const struct mb_partition *partition)
{
    uint64_t bytes = 0;
    for (int32_t i = 0; i < partition->replica_count; i++)
        bytes = partition->replicas[i].log.bytes > bytes ? partition->replicas[i].log.bytes : bytes;
    return bytes;
}

/* The leader's log begins later than any did before: was that asked for? */
static void look_at_start(struct sim_brokers *b, int32_t p, const struct mb_replica *replica)
{
    struct sim_stage *stage = b->stage;
    const struct sim_gaps *w = &stage->workload.gaps;
    int64_t from = b->gaps->start[p], to = replica->log.start_offset, newest_ms = INT64_MIN, last_ms = INT64_MIN;
    int64_t seen = 0;
    const struct sim_log *log = log_of(b, p);
    for (size_t i = 0; i < log->records.count; i++) {
        const struct sim_logged *record = &log->records.items[i];
        if (record->offset < from || record->offset >= to)
            continue;
        last_ms = record->timestamp_ms;
        newest_ms = last_ms > newest_ms ? last_ms : newest_ms;
        seen++;
    }
    int64_t since_ms = SIM_WALL_MS + stage->world.now / SIM_MS - w->retention_ms;
    /* what the cleaner takes makes a log smaller, and a segment older */
    bool mixed = w->compact || w->retention_bytes >= 0; /* what goes for its size may let something old follow */
    bool old = w->retention_ms >= 0 && (w->compact || (mixed ? last_ms : newest_ms) < since_ms);
    uint64_t now_bytes = bytes_of(replica->partition); /* a leader may have gone since, or been cut */
    uint64_t bytes = now_bytes > b->gaps->bytes[p] ? now_bytes : b->gaps->bytes[p];
    bool large = w->retention_bytes >= 0 && (w->compact || bytes >= (uint64_t)w->retention_bytes);
    /* records that came and went between two looks: how large it was with them, and how old they were, nobody knows */
    bool unseen = seen < to - from && (w->retention_ms >= 0 || w->retention_bytes >= 0);
    b->gaps->start[p] = to;
    b->gaps->start_at[p] = stage->world.now;
    sim_note(&stage->world, "partition %d of broker %d begins at %lld, holds %llu bytes", p, replica->broker,
             (long long)to, (unsigned long long)bytes);
    if (to > b->gaps->asked[p] && !(w->deletes && (old || large || unseen)))
        sim_violation(&stage->verdict, "B3", "partition %d of broker %d begins at %lld now, not at %lld: nobody asked",
                      p, replica->broker, (long long)to, (long long)from);
    if (to > b->gaps->upto[p])
        sim_violation(&stage->verdict, "B3", "partition %d begins at %lld, and is committed to %lld", p, (long long)to,
                      (long long)b->gaps->upto[p]);
}

static void look_at_replica(struct sim_brokers *b, int32_t p, struct mb_replica *replica)
{
    struct sim_gaps_seen *seen = &b->gaps->seen[p][replica->broker - 1];
    const struct mb_log *log = &replica->log;
    if (seen->cleaned == log->cleaned_offset && seen->start == log->start_offset)
        return;
    if (log->start_offset > b->gaps->start[p])
        look_at_start(b, p, replica);
    if (log->cleaned_offset > seen->cleaned && log->cleaned_offset > log->start_offset &&
        (log->cleaned_offset > replica->high_watermark || log->cleaned_offset > mb_log_active(log)))
        sim_violation(&b->stage->verdict, "B3",
                      "partition %d: broker %d has cleaned up to %lld; it is committed to %lld, and its last segment "
                      "begins at %lld",
                      p, replica->broker, (long long)log->cleaned_offset, (long long)replica->high_watermark,
                      (long long)mb_log_active(log));
    if (log->cleaned_offset > b->gaps->cleaned[p])
        b->gaps->cleaned[p] = log->cleaned_offset;
    *seen = (struct sim_gaps_seen){ log->cleaned_offset, log->start_offset };
    look_for_holes(b, p, replica);
}

static void look(struct sim_brokers *b)
{
    for (int32_t p = 0; p < b->stage->partitions; p++) {
        const struct mb_partition *partition = partition_of(b, p);
        if (!partition)
            continue;
        write_committed(b, p, partition);
        for (int32_t i = 0; i < partition->replica_count; i++)
            look_at_replica(b, p, &partition->replicas[i]);
        b->gaps->bytes[p] = bytes_of(partition);
    }
}

/* ---- the engine, watched ---- */

static void step(void *self, int64_t now)
{
    struct sim_gaps_watch *gaps = self;
    look(gaps->brokers);
    gaps->inner.ops->step(gaps->inner.self, now);
    look(gaps->brokers);
}

static int64_t deadline(void *self)
{
    struct sim_gaps_watch *gaps = self;
    return gaps->inner.ops->deadline(gaps->inner.self);
}

static void *on_accept(void *self, kci_conn conn, void *user, const struct kci_address *peer,
                       const struct kci_address *local, int64_t now)
{
    struct sim_gaps_watch *gaps = self;
    return gaps->inner.ops->on_accept(gaps->inner.self, conn, user, peer, local, now);
}

static void *on_space(void *self, kci_conn conn, void *user, size_t *size)
{
    struct sim_gaps_watch *gaps = self;
    return gaps->inner.ops->on_space(gaps->inner.self, conn, user, size);
}

static void on_bytes(void *self, kci_conn conn, void *user, size_t size, int64_t now)
{
    struct sim_gaps_watch *gaps = self;
    look(gaps->brokers);
    gaps->inner.ops->on_bytes(gaps->inner.self, conn, user, size, now);
    look(gaps->brokers);
}

static void on_sent(void *self, kci_conn conn, void *user, int64_t now)
{
    struct sim_gaps_watch *gaps = self;
    gaps->inner.ops->on_sent(gaps->inner.self, conn, user, now);
    look(gaps->brokers);
}

static void on_close(void *self, kci_conn conn, void *user, const char *reason, int64_t now)
{
    struct sim_gaps_watch *gaps = self;
    gaps->inner.ops->on_close(gaps->inner.self, conn, user, reason, now);
}

struct kci_engine sim_gaps_watched(struct sim_brokers *b, struct kci_engine engine)
{
    static const struct kci_engine_ops ops = { .step = step,
                                               .deadline = deadline,
                                               .on_accept = on_accept,
                                               .on_space = on_space,
                                               .on_bytes = on_bytes,
                                               .on_sent = on_sent,
                                               .on_close = on_close };
    if (!b->stage->workload.gaps.on)
        return engine;
    b->gaps->inner = engine;
    memset(b->gaps->seen, 0, sizeof b->gaps->seen); /* after a restart they may begin earlier, and clean anew */
    return (struct kci_engine){ b->gaps, &ops };
}

/* ---- DeleteRecords ---- */

static void delete_records(void *owner, int64_t now)
{
    struct sim_gaps_watch *gaps = owner;
    struct sim_brokers *b = gaps->brokers;
    struct sim_stage *stage = b->stage;
    int32_t p = (int32_t)kci_prng_below(&gaps->prng, (uint64_t)stage->partitions);
    struct mb_partition *partition = partition_of(b, p);
    struct mb_replica *leader = partition ? mb_partition_leader(partition) : NULL;
    int64_t low;
    if (leader) {
        uint64_t size = (uint64_t)(leader->high_watermark - leader->log.start_offset);
        int64_t to = leader->log.start_offset + (int64_t)kci_prng_below(&gaps->prng, size + 1);
        look(b);
        gaps->asked[p] = to > gaps->asked[p] ? to : gaps->asked[p];
        mb_partition_delete_records(partition, to, &low, now);
        look(b);
        sim_note(&stage->world, "partition %d begins at %lld from now on", p, (long long)to);
        sim_host_wake(b->host);
    }
    sim_alarm_again(&stage->world, &gaps->deletes, &gaps->prng, stage->workload.gaps.delete_us);
}

/* ---- life ---- */

const char *const *sim_gaps_configs(struct sim_brokers *b, size_t *count)
{
    const struct sim_gaps *w = &b->stage->workload.gaps;
    const char *policy = w->compact && w->deletes ? "compact,delete" : w->compact ? "compact" : "delete";
    char(*s)[sizeof b->gaps->settings[0]] = b->gaps->settings;
    size_t n = 0, size = sizeof s[0];
    *count = 0;
    if (!w->on)
        return NULL;
    snprintf(s[n++], size, "cleanup.policy=%s", policy);
    snprintf(s[n++], size, "segment.bytes=%d", w->segment_bytes);
    snprintf(s[n++], size, "segment.ms=%d", w->segment_ms);
    snprintf(s[n++], size, "retention.ms=%lld", (long long)w->retention_ms);
    snprintf(s[n++], size, "retention.bytes=%lld", (long long)w->retention_bytes);
    snprintf(s[n++], size, "delete.retention.ms=%d", w->tombstone_ms);
    snprintf(s[n++], size, "min.compaction.lag.ms=%d", w->lag_ms);
    snprintf(s[n++], size, "min.cleanable.dirty.ratio=%s", w->eager ? "0" : "0.5");
    for (size_t i = 0; i < n; i++)
        b->gaps->configs[i] = s[i];
    *count = n;
    return b->gaps->configs;
}

void sim_gaps_open(struct sim_brokers *b)
{
    const struct sim_workload *w = &b->stage->workload;
    b->gaps = kci_alloc_zero(b->stage->alloc, 1, sizeof *b->gaps);
    assert(b->gaps);
    b->gaps->brokers = b;
    b->gaps->prng = sim_stream(w->seed, 13);
    b->gaps->deletes.fire = delete_records;
    b->gaps->deletes.owner = b->gaps;
    if (w->gaps.delete_us)
        sim_alarm_set(&b->stage->world, &b->gaps->deletes, b->stage->world.now + 1);
}

void sim_gaps_heal(struct sim_brokers *b)
{
    sim_alarm_stop(&b->stage->world, &b->gaps->deletes);
}

void sim_gaps_close(struct sim_brokers *b)
{
    sim_gaps_heal(b);
    kci_alloc_free(b->stage->alloc, b->gaps);
}

int64_t sim_gaps_start(const struct sim_brokers *b, int32_t partition)
{
    return b->gaps->start[partition];
}

int64_t sim_gaps_end(struct sim_brokers *b, int32_t partition)
{
    const struct mb_partition *found = partition_of(b, partition);
    const struct mb_replica *leader = found ? mb_partition_leader(found) : NULL;
    if (!leader)
        return -1;
    return leader->log.count ? mb_log_entry_last(mb_log_entry(&leader->log, leader->log.count - 1)) + 1
                             : leader->log.start_offset;
}

int64_t sim_gaps_visible(struct sim_brokers *b, int32_t partition)
{
    const struct sim_log *log = log_of(b, partition);
    size_t i = log->records.count;
    while (i && log->records.items[i - 1].gone_at)
        i--;
    return i ? log->records.items[i - 1].offset + 1 : 0;
}

/* ---- the end ---- */

/* Followers hear of it with the next fetch.  One that led before may be ahead of its new leader, as in Kafka. */
static void compare_starts(struct sim_brokers *b, int32_t p, const struct mb_partition *partition)
{
    const struct sim_stage *stage = b->stage;
    const struct mb_replica *leader = mb_partition_leader(partition);
    if (!leader || stage->world.now - b->gaps->start_at[p] <= stage->workload.replication_delay_us + SIM_MS)
        return;
    for (int32_t i = 0; i < partition->replica_count; i++)
        if (partition->replicas[i].log.start_offset < leader->log.start_offset)
            sim_violation(&b->stage->verdict, "B3", "partition %d begins at %lld for broker %d, at %lld for its leader",
                          p, (long long)partition->replicas[i].log.start_offset, partition->replicas[i].broker,
                          (long long)leader->log.start_offset);
}

/* That each replica has what the history has, but for holes with a reason, is what look_for_holes() demands: so they
 * have the same. */
void sim_gaps_compare(struct sim_brokers *b)
{
    for (int32_t p = 0; p < b->stage->partitions; p++) {
        const struct mb_partition *partition = partition_of(b, p);
        compare_starts(b, p, partition);
        for (int32_t i = 0; i < partition->replica_count; i++) {
            if (partition->replicas[i].log.end_offset != partition->replicas[0].log.end_offset)
                sim_violation(&b->stage->verdict, "B3", "brokers %d and %d end differently in partition %d",
                              partition->replicas[i].broker, partition->replicas[0].broker, p);
            look_for_holes(b, p, &partition->replicas[i]);
        }
    }
}

void sim_gaps_read(struct sim_brokers *b)
{
    look(b);
    for (int32_t p = 0; p < b->stage->partitions; p++) {
        const struct mb_partition *partition = partition_of(b, p);
        const struct mb_replica *leader = mb_partition_leader(partition);
        log_of(b, p)->start = leader ? leader->log.start_offset : 0;
    }
}
