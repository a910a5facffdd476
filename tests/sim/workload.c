/* Drawing: each feature has its own chance to be absent, so that rare combinations (only cuts; only leader moves with
 * slow replication) come up among a few hundred seeds.  Times are short against Kafka's defaults, in the same
 * proportions, so that a phase of seconds sees sessions, deliveries and requests time out. */
#include "workload.h"

#include "protocol/compress.h"

#include <stdio.h>

struct kci_prng sim_stream(uint64_t seed, uint64_t user)
{
    struct kci_prng prng;
    kci_prng_seed(&prng, seed * UINT64_C(0x9e3779b97f4a7c15) + user * UINT64_C(0xd1342543de82ef95) + 1);
    return prng;
}

/* Never twice in one expression or initializer: compilers evaluate those in orders of their own. */
static int64_t between(struct kci_prng *prng, int64_t low, int64_t high)
{
    return low + (int64_t)kci_prng_below(prng, (uint64_t)(high - low + 1));
}

static bool one_in(struct kci_prng *prng, uint64_t n)
{
    return kci_prng_chance(prng, 1, n);
}

/* Most often small: low * 2^k. */
static int64_t around(struct kci_prng *prng, int64_t low, int doublings)
{
    int64_t base = low << kci_prng_below(prng, (uint64_t)doublings + 1);
    return base + (int64_t)kci_prng_below(prng, (uint64_t)base);
}

/* What producers and consumers have in common. */
static void draw_client(struct kci_prng *prng, struct kci_settings *s)
{
    *s = (struct kci_settings){
        .send_buffer_bytes = -1,
        .receive_buffer_bytes = -1,
        .metadata_max_idle_ms = 300000,
        .metadata_recovery_rebootstrap = true,
        .metadata_recovery_rebootstrap_trigger_ms = 300000,
        .default_api_timeout_ms = 10000,
        .log_level = KCI_LOG_DEBUG,
    };
    s->bootstrap_servers = one_in(prng, 3) ? "broker-2:9093" : "broker-1:9092,broker-2:9093,broker-3:9094";
    s->request_timeout_ms = (int32_t)between(prng, 600, 3000);
    s->retry_backoff_ms = (int32_t)between(prng, 5, 100);
    s->reconnect_backoff_ms = (int32_t)between(prng, 5, 50);
    s->connections_max_idle_ms = one_in(prng, 4) ? (int32_t)between(prng, 2000, 8000) : 540000;
    s->metadata_max_age_ms = one_in(prng, 4) ? (int32_t)between(prng, 500, 3000) : 300000;
    s->retry_backoff_max_ms = s->retry_backoff_ms * (int32_t)between(prng, 1, 10);
    s->reconnect_backoff_max_ms = s->reconnect_backoff_ms * (int32_t)between(prng, 1, 20);
    s->socket_connection_setup_timeout_ms = s->request_timeout_ms;
    s->socket_connection_setup_timeout_max_ms = 2 * s->request_timeout_ms;
}

static void draw_producers(struct kci_prng *prng, struct sim_workload *w)
{
    struct kci_settings *s = &w->producer_settings;
    draw_client(prng, s);
    w->producers = (int32_t)between(prng, 1, SIM_PRODUCERS_MAX);
    w->choice = (enum sim_choice)kci_prng_below(prng, 3);
    w->burst_max = (int32_t)around(prng, 1, 5);
    w->pause_max = around(prng, 2 * SIM_MS, 5);
    w->value_max = one_in(prng, 4) ? 3000 : 60;
    w->records_max = 1500;
    w->abandon = one_in(prng, 4) ? 5000 : 0;
    w->flush = one_in(prng, 2) ? 20000 : 0;
    w->acks = one_in(prng, 6) ? (int32_t)between(prng, 0, 1) : -1;
    w->idempotent = w->acks == -1 && !one_in(prng, 8);
    s->client_id = "producer";
    s->acks = w->acks;
    s->enable_idempotence = w->idempotent;
    s->retries = one_in(prng, 6) ? (int32_t)between(prng, 0, 3) : INT32_MAX;
    s->linger_ms = one_in(prng, 2) ? (int32_t)between(prng, 0, 20) : 5;
    s->delivery_timeout_ms = s->request_timeout_ms + s->linger_ms + (int32_t)around(prng, 1, 13);
    s->batch_size = one_in(prng, 4) ? (int32_t)between(prng, 0, 500) : 16384;
    s->buffer_memory = one_in(prng, 3) ? 1 << 17 : 1 << 22;
    s->max_block_ms = 1000;
    s->max_request_size = one_in(prng, 4) ? 10000 : 1048576;
    s->max_in_flight_requests_per_connection = (int32_t)between(prng, 1, 5);
    s->compression_type = one_in(prng, 3) ? (int32_t)between(prng, 1, KCI_CODEC_COUNT - 1) : KCI_CODEC_NONE;
    s->compression_level = KCI_LEVEL_DEFAULT;
    s->partitioner_adaptive = true; /* the default, as is no time-out; a short one for every other linger */
    s->partitioner_availability_timeout_ms = s->linger_ms % 2 ? 20 : 0;
    s->delivery_every_record = true;
}

static void draw_consumers(struct kci_prng *prng, struct sim_workload *w)
{
    static const char *const strategies[] = {
        "range", "roundrobin,range", "sticky", "cooperative-sticky", "cooperative-sticky", "range,cooperative-sticky"
    };
    struct kci_settings *s = &w->consumer_settings;
    draw_client(prng, s);
    w->members = (int32_t)between(prng, 0, SIM_MEMBERS_MAX);
    w->reader = w->members == 0 || one_in(prng, 3);
    w->commit = (enum sim_commit_mode)kci_prng_below(prng, 3);
    w->work_max = one_in(prng, 3) ? around(prng, SIM_MS, 8) : 2 * SIM_MS;
    w->fixed_members = one_in(prng, 6);
    w->modern = one_in(prng, 3);
    w->churn_us = w->members && one_in(prng, 2) ? around(prng, SIM_S, 2) : 0;
    w->freeze = one_in(prng, 3) ? (uint32_t)around(prng, 2000, 4) : 0;
    w->leave_us = around(prng, 50 * SIM_MS, 6);
    w->crash = one_in(prng, 2) ? 500000 : 0;
    w->seek = one_in(prng, 2) ? 20000 : 0;
    w->pause = one_in(prng, 4) ? 20000 : 0;
    s->client_id = "consumer";
    s->session_timeout_ms = (int32_t)between(prng, 1000, 4000);
    s->heartbeat_interval_ms = s->session_timeout_ms / 4;
    s->max_poll_interval_ms = one_in(prng, 4) ? 2000 : 20000;
    s->partition_assignment_strategy = strategies[kci_prng_below(prng, sizeof strategies / sizeof *strategies)];
    s->max_poll_records = one_in(prng, 2) ? (int32_t)between(prng, 1, 50) : 500;
    s->enable_auto_commit = w->commit == SIM_COMMIT_AUTO;
    s->auto_commit_interval_ms = (int32_t)between(prng, 50, 1000);
    s->auto_offset_reset = KCI_RESET_EARLIEST;
    s->isolation_level = one_in(prng, 2) ? KCI_READ_COMMITTED : KCI_READ_UNCOMMITTED;
    s->fetch_min_bytes = one_in(prng, 4) ? 500 : 1;
    s->fetch_max_wait_ms = (int32_t)between(prng, 10, 500);
    s->fetch_max_bytes = one_in(prng, 4) ? 5000 : 52428800;
    s->max_partition_fetch_bytes = one_in(prng, 4) ? 1000 : 1048576;
    s->fetch_memory_max = one_in(prng, 4) ? 1 << 20 : 64 << 20;
    if (w->producer_settings.compression_type != KCI_CODEC_NONE && s->fetch_memory_max < 8 << 20)
        s->fetch_memory_max = 8 << 20; /* a quarter must hold the largest batch, plain */
    if (s->fetch_memory_max < 8 << 20) /* also without a codec: each broker sends its first batch, however large */
        w->producer_settings.max_request_size = 10000;
    s->check_crcs = true;
}

static void draw_brokers(struct kci_prng *prng, struct sim_workload *w)
{
    w->min_insync = (int32_t)between(prng, 1, 2);
    w->replication_delay_us = one_in(prng, 3) ? 0 : around(prng, SIM_MS, 7);
    w->broker_us = one_in(prng, w->acks == 1 ? 2 : 4) ? 0 : around(prng, 20 * SIM_MS, 7);
    w->kill = one_in(prng, 3) ? 0 : 1;
    w->stop = one_in(prng, 3) ? 0 : 1;
    w->move = one_in(prng, 3) || !(w->kill || w->stop) ? 2 : 0;
    w->down_max = around(prng, 10 * SIM_MS, 8);
    w->down_brokers = (int32_t)between(prng, 1, SIM_BROKERS);
    int delay_ms = (int)between(prng, 0, 500), partitions = (int)between(prng, 1, 3);
    int lag_ms = (int)around(prng, 200, 4);
    snprintf(w->broker_config, sizeof w->broker_config,
             "group.min.session.timeout.ms=100 group.initial.rebalance.delay.ms=%d offsets.topic.num.partitions=%d "
             "min.insync.replicas=%d replica.lag.time.max.ms=%d auto.create.topics.enable=false "
             "group.consumer.min.session.timeout.ms=100 group.consumer.min.heartbeat.interval.ms=10 "
             "group.consumer.session.timeout.ms=%d group.consumer.heartbeat.interval.ms=%d "
             "group.consumer.assignment.interval.ms=%d",
             delay_ms, partitions, w->min_insync, lag_ms, w->consumer_settings.session_timeout_ms,
             w->consumer_settings.heartbeat_interval_ms, delay_ms);
}

static void draw_network(struct kci_prng *prng, struct sim_faults *f)
{
    f->delay_min = 20;
    f->delay_max = one_in(prng, 3) ? around(prng, SIM_MS, 6) : 800;
    f->cut = one_in(prng, 3) ? 0 : (uint32_t)around(prng, 50, 8);
    f->refuse = one_in(prng, 2) ? 0 : (uint32_t)around(prng, 10000, 4);
    f->stall = one_in(prng, 2) ? 0 : (uint32_t)around(prng, 50, 6);
    f->stall_max = around(prng, 50 * SIM_MS, 7);
    f->hole = one_in(prng, 2) ? 0 : (uint32_t)around(prng, 10, 6);
    f->resolve = one_in(prng, 4) ? 50000 : 0;
    f->room = one_in(prng, 3) ? (size_t)around(prng, 600, 6) : 256 * 1024;
    f->drip = one_in(prng, 4) ? (uint32_t)around(prng, 20000, 5) : 0;
}

/* Partitions are added in mid-run; clients hear of it by the age of their metadata.  Not with fixed members: a leader
 * that comes back under its old id is told to keep the assignment (KIP-814), and cannot know what it was made of. */
static void draw_growth(struct kci_prng *prng, struct sim_workload *w)
{
    w->partitions_first = w->partitions;
    if (!one_in(prng, 5) || w->partitions < 2 || w->reader || w->fixed_members)
        return;
    w->partitions_first = (int32_t)between(prng, 1, w->partitions - 1);
    w->grow_us = between(prng, 1, w->fault_us);
    w->producer_settings.metadata_max_age_ms = (int32_t)between(prng, 300, 2000);
    w->consumer_settings.metadata_max_age_ms = (int32_t)between(prng, 300, 2000);
}

static void draw_disks(struct kci_prng *prng, struct sim_workload *w)
{
    w->disk = one_in(prng, 5);
    w->synced = one_in(prng, 2);
    w->power_us = one_in(prng, 3) ? 0 : around(prng, 200 * SIM_MS, 4);
    w->rot = one_in(prng, 2);
    w->disk_us = one_in(prng, 2) ? 0 : around(prng, 50 * SIM_MS, 4);
    if (!w->disk)
        w->power_us = w->disk_us = 0;
    if (w->disk && w->synced)
        strcat(w->broker_config, " log.flush.interval.messages=1");
}

static void draw_mixed(struct kci_prng *prng, struct sim_workload *w)
{
    w->mixed = w->members >= 2 && one_in(prng, 4);
    if (w->mixed)
        strcat(w->broker_config, " group.consumer.migration.policy=bidirectional");
}

/* Clients hear of it by errors, and by the age of their metadata. */
static void draw_recreation(struct kci_prng *prng, struct sim_workload *w)
{
    if (!one_in(prng, 8) || w->grow_us)
        return;
    w->recreate_us = around(prng, 500 * SIM_MS, 3);
    w->producer_settings.metadata_max_age_ms = (int32_t)between(prng, 300, 2000);
    w->consumer_settings.metadata_max_age_ms = (int32_t)between(prng, 300, 2000);
}

/* Not with a loss of power, which takes the faults and the journal along. */
static void draw_errors(struct kci_prng *prng, struct sim_workload *w)
{
    w->errors_us = one_in(prng, 12) && !w->power_us && !w->disk_us ? around(prng, 50 * SIM_MS, 4) : 0;
}

/* Not where the brokers lose what they have said is there. */
static void draw_transactions(struct kci_prng *prng, struct sim_workload *w)
{
    if (!one_in(prng, 6) || (w->power_us && !w->synced))
        return;
    w->txn_ids = (int32_t)between(prng, 1, SIM_TXN_IDS);
    w->txn_partitions = (int32_t)between(prng, 1, SIM_LEDGER_PARTITIONS);
    w->txn_modern = (int32_t)between(prng, 0, 2);
    w->txn_timeout_ms = (int32_t)around(prng, 300, 3);
    w->txn_sweep_ms = (int32_t)between(prng, 50, 500);
    w->txn_fetch_bytes = one_in(prng, 2) ? (int32_t)around(prng, 300, 4) : 1048576;
    w->txn_pause_us = around(prng, 4 * SIM_MS, 4);
    w->txn_turn_us = around(prng, 300 * SIM_MS, 4);
    w->txn_move_us = one_in(prng, 3) ? 0 : around(prng, 20 * SIM_MS, 6);
    w->txn_seek = one_in(prng, 2) ? 30000 : 0;
    size_t used = strlen(w->broker_config);
    snprintf(w->broker_config + used, sizeof w->broker_config - used,
             " transaction.state.log.num.partitions=%d transaction.state.log.min.isr=%d "
             "transaction.abort.timed.out.transaction.cleanup.interval.ms=%d",
             (int)between(prng, 1, 3), w->min_insync, w->txn_sweep_ms);
}

/* Not where records get lost in other ways, nor where logs cannot be read now and then: nobody could tell what went. */
static void draw_gaps(struct kci_prng *prng, struct sim_workload *w)
{
    struct sim_gaps *g = &w->gaps;
    g->on = one_in(prng, 6) && !w->recreate_us && !w->disk_us && !(w->power_us && !w->synced);
    g->compact = one_in(prng, 2);
    g->deletes = one_in(prng, 4) || !g->compact;
    g->segment_bytes = (int32_t)around(prng, 300, 5);
    g->segment_ms = (int32_t)around(prng, 20, 6);
    g->retention_ms = g->deletes && one_in(prng, 2) ? around(prng, 200, 4) : -1;
    g->retention_bytes = g->deletes && one_in(prng, 2) ? around(prng, 1000, 5) : -1;
    g->delete_us = g->deletes && one_in(prng, 2) ? around(prng, 50 * SIM_MS, 4) : 0;
    g->keys = (int32_t)between(prng, 1, SIM_KEYS_MAX);
    g->tombstone = one_in(prng, 2) ? (uint32_t)around(prng, 20000, 4) : 0;
    g->tombstone_ms = one_in(prng, 3) ? 0 : (int32_t)around(prng, 50, 5);
    g->lag_ms = one_in(prng, 3) ? (int32_t)around(prng, 20, 4) : 0;
    g->eager = one_in(prng, 2);
    int backoff_ms = (int)around(prng, 5, 5), check_ms = (int)around(prng, 5, 5);
    enum kci_offset_reset resets[] = { KCI_RESET_EARLIEST, KCI_RESET_EARLIEST, KCI_RESET_LATEST, KCI_RESET_NONE };
    enum kci_offset_reset reset = resets[kci_prng_below(prng, sizeof resets / sizeof *resets)];
    if (!g->on) {
        *g = (struct sim_gaps){ .on = false };
        return;
    }
    size_t used = strlen(w->broker_config);
    snprintf(w->broker_config + used, sizeof w->broker_config - used,
             " log.cleaner.backoff.ms=%d log.retention.check.interval.ms=%d", backoff_ms, check_ms);
    w->consumer_settings.auto_offset_reset = reset;
    if (g->compact)
        w->choice = SIM_CHOOSE_KEY;
}

/* More members than partitions: some are idle. */
static void draw_herd(struct kci_prng *prng, struct sim_workload *w)
{
    w->herd = one_in(prng, 24) && w->members ? (int32_t)between(prng, 10, SIM_HERD_MAX) : 0;
    w->herd_us = around(prng, 300 * SIM_MS, 3);
}

static void draw_cuts(struct kci_prng *prng, struct sim_workload *w)
{
    w->cut_us = one_in(prng, 8) && w->members ? around(prng, 300 * SIM_MS, 3) : 0;
    w->cut_kinds = (uint32_t)between(prng, 1, 7) << SIM_CUT_LOSE;
}

void sim_workload_draw(struct sim_workload *w, uint64_t seed, unsigned without)
{
    struct kci_prng prng = sim_stream(seed, 1);
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->partitions = (int32_t)between(&prng, 1, SIM_PARTITIONS_MAX);
    w->fault_us = around(&prng, SIM_S, 3);
    draw_producers(&prng, w);
    draw_consumers(&prng, w);
    draw_brokers(&prng, w);
    draw_network(&prng, &w->faults);
    draw_growth(&prng, w);
    struct kci_prng disks = sim_stream(seed, 5);
    if (!(without & SIM_DISK))
        draw_disks(&disks, w);
    struct kci_prng mixed = sim_stream(seed, 7), recreation = sim_stream(seed, 8);
    if (!(without & SIM_MIXED))
        draw_mixed(&mixed, w);
    if (!(without & SIM_RECREATE))
        draw_recreation(&recreation, w);
    struct kci_prng errors = sim_stream(seed, 10);
    if (!(without & SIM_ERRORS))
        draw_errors(&errors, w);
    struct kci_prng transactions = sim_stream(seed, 12);
    if (!(without & SIM_TXNS))
        draw_transactions(&transactions, w);
    struct kci_prng gaps = sim_stream(seed, 14);
    if (!(without & SIM_GAPS))
        draw_gaps(&gaps, w);
    struct kci_prng herd = sim_stream(seed, 15);
    if (!(without & SIM_HERD))
        draw_herd(&herd, w);
    struct kci_prng cuts = sim_stream(seed, 17);
    if (!(without & SIM_CUTS))
        draw_cuts(&cuts, w);
}

void sim_workload_shorten(struct sim_workload *w)
{
    w->fault_us = 300 * SIM_MS;
    w->producers = w->members = 1;
    w->reader = false;
    w->records_max = 40;
    w->burst_max = 4;
    w->pause_max = 20 * SIM_MS;
    w->value_max = 60;
    w->grow_us = w->churn_us = w->broker_us = w->power_us = w->disk_us = w->recreate_us = w->errors_us = 0;
    w->disk = false;
    w->txn_ids = 0;
    w->gaps = (struct sim_gaps){ .on = false };
    w->herd = 0;
    w->cut_us = 0;
    w->consumer_settings.auto_offset_reset = KCI_RESET_EARLIEST;
    w->partitions_first = w->partitions;
    w->abandon = w->freeze = w->seek = w->pause = 0;
    w->faults = (struct sim_faults){ .delay_min = 20, .delay_max = 800, .room = 256 * 1024 };
}

void sim_workload_tell(const struct sim_workload *w, void (*line)(void *context, const char *text), void *context)
{
    static const char *const choices[] = { "explicit partitions", "keys", "no keys" };
    static const char *const commits[] = { "automatic", "waiting", "asynchronous" };
    const struct kci_settings *p = &w->producer_settings, *c = &w->consumer_settings;
    char text[1200];
    snprintf(text, sizeof text, "%d partitions (%d at first, all at %.1f s), faults for %.1f s of virtual time",
             w->partitions, w->partitions_first, (double)w->grow_us / 1e6, (double)w->fault_us / 1e6);
    line(context, text);
    snprintf(text, sizeof text,
             "%d producers: acks %d%s, %s, 1-%d records each 0-%.1f ms, values to %d bytes, linger %d, batch %d, "
             "request <= %d, memory %lld, in flight %d, codec %s, retries %d, request timeout %d, delivery timeout %d, "
             "back-off %d-%d, abandoned %u, flushes %u",
             w->producers, w->acks, w->idempotent ? " idempotent" : "", choices[w->choice], w->burst_max,
             (double)w->pause_max / 1e3, w->value_max, p->linger_ms, p->batch_size, p->max_request_size,
             (long long)p->buffer_memory, p->max_in_flight_requests_per_connection, kci_codec_name(p->compression_type),
             p->retries, p->request_timeout_ms, p->delivery_timeout_ms, p->retry_backoff_ms, p->retry_backoff_max_ms,
             w->abandon, w->flush);
    line(context, text);
    snprintf(text, sizeof text,
             "%d members%s%s%s: %s commits, session %d, poll interval %d, %s, <= %d records a poll, work %.1f ms, "
             "fetch <= %d, of a partition <= %d, wait %d, request timeout %d, churn each %.1f s, crash %u, freeze %u, "
             "leave in %.1f s, seek %u, pause %u",
             w->members,
             w->mixed    ? " of both protocols"
             : w->modern ? " of KIP-848"
                         : "",
             w->fixed_members ? " with fixed ids" : "", w->reader ? " and a reader" : "", commits[w->commit],
             c->session_timeout_ms, c->max_poll_interval_ms, c->partition_assignment_strategy, c->max_poll_records,
             (double)w->work_max / 1e3, c->fetch_max_bytes, c->max_partition_fetch_bytes, c->fetch_max_wait_ms,
             c->request_timeout_ms, (double)w->churn_us / 1e6, w->crash, w->freeze, (double)w->leave_us / 1e6, w->seek,
             w->pause);
    line(context, text);
    snprintf(text, sizeof text,
             "brokers: each %.1f s one of kill %u, stop %u, move %u; down to %.1f s, %d at a time; followers lag to "
             "%.1f ms; %s",
             (double)w->broker_us / 1e6, w->kill, w->stop, w->move, (double)w->down_max / 1e6, w->down_brokers,
             (double)w->replication_delay_us / 1e3, w->broker_config);
    line(context, text);
    if (w->errors_us) {
        snprintf(text, sizeof text, "a fault of the brokers' own each %.1f s", (double)w->errors_us / 1e6);
        line(context, text);
    }
    if (w->txn_ids) {
        snprintf(text, sizeof text,
                 "%d transactional ids, %s, timeout %d, steps within %.1f ms, changes each %.1f s; ledger of %d "
                 "partitions, leaders and coordinators move each %.3f s; readers fetch <= %d, seek %u",
                 w->txn_ids,
                 w->txn_modern == 2   ? "classic and v2"
                 : w->txn_modern == 1 ? "v2"
                                      : "classic",
                 w->txn_timeout_ms, (double)w->txn_pause_us / 1e3, (double)w->txn_turn_us / 1e6, w->txn_partitions,
                 (double)w->txn_move_us / 1e6, w->txn_fetch_bytes, w->txn_seek);
        line(context, text);
    }
    if (w->recreate_us) {
        snprintf(text, sizeof text, "the topic vanishes and returns each %.1f s", (double)w->recreate_us / 1e6);
        line(context, text);
    }
    if (w->herd) {
        snprintf(text, sizeof text, "a herd of %d members comes or goes each %.1f s", w->herd,
                 (double)w->herd_us / 1e6);
        line(context, text);
    }
    if (w->cut_us) {
        snprintf(text, sizeof text, "members are cut off each %.1f s; their bytes%s%s%s", (double)w->cut_us / 1e6,
                 w->cut_kinds & 1u << SIM_CUT_LOSE ? " are lost" : "",
                 w->cut_kinds & 1u << SIM_CUT_HOLD ? " come too late" : "",
                 w->cut_kinds & 1u << SIM_CUT_REFUSE ? " are refused" : "");
        line(context, text);
    }
    if (w->gaps.on) {
        static const char *const resets[] = { "latest", "earliest", "none" };
        const struct sim_gaps *g = &w->gaps;
        snprintf(text, sizeof text,
                 "records go:%s%s segments of %d bytes or %d ms; age %lld ms, size %lld, DeleteRecords each %.1f s; "
                 "%d keys, tombstones %u of a million, kept %d ms, lag %d ms%s; auto.offset.reset %s",
                 g->compact ? " compact" : "", g->deletes ? " delete" : "", g->segment_bytes, g->segment_ms,
                 (long long)g->retention_ms, (long long)g->retention_bytes, (double)g->delete_us / 1e6, g->keys,
                 g->tombstone, g->tombstone_ms, g->lag_ms, g->eager ? ", eager" : "", resets[c->auto_offset_reset]);
        line(context, text);
    }
    if (w->disk) {
        snprintf(text, sizeof text, "disks: %s; power fails each %.1f s%s; errors each %.1f s",
                 w->synced ? "synced before each answer" : "not synced", (double)w->power_us / 1e6,
                 w->rot ? ", and bits rot then" : "", (double)w->disk_us / 1e6);
        line(context, text);
    }
    snprintf(text, sizeof text,
             "network: delay to %.1f ms; of a million: cut %u, refuse %u, hole %u, stall %u (to %.1f s), resolve %u, "
             "drip %u; %zu bytes under way",
             (double)w->faults.delay_max / 1e3, w->faults.cut, w->faults.refuse, w->faults.hole, w->faults.stall,
             (double)w->faults.stall_max / 1e6, w->faults.resolve, w->faults.drip, w->faults.room);
    line(context, text);
}
