/* A producer: sends bursts at random times, waits when there is no room, flushes now and then, and may be destroyed in
 * mid-work (its successor is another producer).  Delivery reports go into the history. */
#include "actors.h"

#include "base/checksum.h"
#include "producer/producer.h"
#include "protocol/compress.h"

#include <assert.h>
#include <stdio.h>

#define WAIT_US      (100 * SIM_MS) /* for room, when nobody notifies */
#define GIVE_UP_US   (60 * SIM_MS)  /* time limit of a producer that is told to give up */
#define MEMORY_BYTES (1 << 20)      /* besides buffer.memory */
#define CODEC_BYTES  (2 << 20)      /* besides both: a batch is compressed into another place */

static void act(void *owner, int64_t now);

static void on_delivery(const kc_delivery *deliveries, size_t count, void *context)
{
    struct sim_producer *p = context;
    struct sim_stage *stage = p->stage;
    for (size_t i = 0; i < count; i++) {
        uint32_t counter = (uint32_t)(uintptr_t)deliveries[i].opaque - 1;
        sim_history_report(&stage->history, p->sender, counter, &deliveries[i], stage->world.now);
        sim_trace(&stage->world, (uint64_t)deliveries[i].code << 40 ^ (uint64_t)deliveries[i].offset << 8 ^ counter);
        sim_note(&stage->world, "%s record %u/%u of partition %d: %s at %lld%s%s", p->name, p->sender, counter,
                 deliveries[i].partition, kc_err_name(deliveries[i].code), (long long)deliveries[i].offset,
                 deliveries[i].traits & KC_MAYBE_APPLIED ? " maybe applied; " : " ",
                 deliveries[i].text ? deliveries[i].text : "");
    }
}

static void on_wake(void *context)
{
    sim_host_wake(((struct sim_producer *)context)->host);
}

static void on_notify(void *context)
{
    struct sim_producer *p = context;
    if (p->waiting)
        sim_alarm_set(&p->stage->world, &p->alarm, p->stage->world.now);
}

static void create(struct sim_producer *p)
{
    struct sim_stage *stage = p->stage;
    kc_error error;
    struct kci_producer_options options = {
        .alloc = &p->alloc,
        .settings = &p->settings,
        .transport = p->transport,
        .logger = sim_logger(p->host),
        .seed = kci_prng_next(&p->prng),
        .wake = on_wake,
        .notify = on_notify,
        .context = p,
        .plant = (enum kci_plant)stage->plants.producer,
    };
    p->sender = sim_history_sender(&stage->history);
    p->created_at = stage->world.now;
    p->memory = (struct test_alloc){ 0 };
    p->alloc = test_alloc_counting(&p->memory);
    if (stage->plants.starve == SIM_STARVE_PRODUCER && !stage->starved)
        p->memory.fail_at = stage->plants.starve_at;
    kc_err result = kci_producer_create(&p->core, &options, stage->world.now, &error);
    if (result == KC_ERR_NO_MEMORY && p->memory.fail_at)
        result = kci_producer_create(&p->core, &options, stage->world.now, &error);
    assert(result == KC_OK);
    (void)result;
    sim_host_set(p->host, kci_producer_engine(p->core));
}

/* A batch that failed waits for retry.backoff.ms (20 % less at most), unless its leader changed. */
static void check_retries(struct sim_producer *p)
{
    struct sim_stage *stage = p->stage;
    const struct kci_settings *s = &p->settings;
    kc_producer_stats stats;
    kci_producer_stats(p->core, &stats);
    uint64_t batches = (uint64_t)stage->workload.partitions * (uint64_t)s->max_in_flight_requests_per_connection;
    uint64_t rounds = (uint64_t)(stage->world.now - p->created_at) / ((uint64_t)s->retry_backoff_ms * 800) + 1;
    uint64_t limit = batches * (rounds + 2 * stats.leader_changes);
    if (stats.batches_retried > limit)
        sim_violation(&stage->verdict, "L6", "%s sent batches again %llu times; its back-off allows %llu", p->name,
                      (unsigned long long)stats.batches_retried, (unsigned long long)limit);
}

static void check_memory(struct sim_producer *p)
{
    struct sim_verdict *verdict = &p->stage->verdict;
    p->stage->starved |= p->memory.fail_at && p->memory.count >= p->memory.fail_at;
    size_t limit = (size_t)p->settings.buffer_memory + MEMORY_BYTES;
    if (p->settings.compression_type != KCI_CODEC_NONE)
        limit += CODEC_BYTES;
    if (p->memory.peak_bytes > limit)
        sim_violation(verdict, "R2", "%s took %zu bytes; buffer.memory is %lld", p->name, p->memory.peak_bytes,
                      (long long)p->settings.buffer_memory);
    if (p->memory.live_blocks)
        sim_violation(verdict, "R1", "%s left %zu blocks (%zu bytes)", p->name, p->memory.live_blocks,
                      p->memory.live_bytes);
}

static void destroy(struct sim_producer *p)
{
    check_retries(p);
    kci_producer_destroy(p->core, p->stage->world.now);
    p->core = NULL;
    sim_host_crash(p->host);
    check_memory(p);
    p->ending = false;
    p->burst_count = p->burst_done = 0;
    p->ticket = 0;
    p->waiting = false;
}

void sim_producer_open(struct sim_producer *p, struct sim_stage *stage, int number)
{
    memset(p, 0, sizeof *p);
    p->stage = stage;
    p->prng = sim_stream(stage->workload.seed, 100 + (uint64_t)number);
    p->left = stage->workload.records_max;
    p->settings = stage->workload.producer_settings;
    p->settings.delivery = on_delivery;
    p->settings.delivery_context = p;
    p->alarm.fire = act;
    p->alarm.owner = p;
    snprintf(p->name, sizeof p->name, "p%d", number % 10);
    p->host = sim_host_add(&stage->world, p->name, &p->transport);
    create(p);
    sim_alarm_set(&stage->world, &p->alarm,
                  stage->world.now + (int64_t)kci_prng_below(&p->prng, (uint64_t)stage->workload.pause_max + 1));
}

/* ---- sending ---- */

static void make_burst(struct sim_producer *p)
{
    const struct sim_workload *w = &p->stage->workload;
    size_t count = 1 + (size_t)kci_prng_below(&p->prng, (uint64_t)w->burst_max), room = SIM_VALUE_HEAD + 8;
    uint32_t counter = (uint32_t)p->stage->history.senders.items[p->sender].sends.count;
    uint64_t keys = w->gaps.compact ? (uint64_t)w->gaps.keys : SIM_KEYS_MAX;
    count = count < (size_t)p->left ? count : (size_t)p->left;
    room += (size_t)w->value_max;
    kci_alloc_free(p->stage->alloc, p->burst);
    p->burst = kci_alloc_zero(p->stage->alloc, count, sizeof *p->burst + sizeof(kc_header) + room);
    assert(p->burst);
    kc_header *names = (kc_header *)(p->burst + count);
    uint8_t *bytes = (uint8_t *)(names + count);
    for (size_t i = 0; i < count; i++, bytes += room) {
        size_t size = SIM_VALUE_HEAD + (size_t)kci_prng_below(&p->prng, (uint64_t)w->value_max + 1);
        int32_t partition = -1;
        kc_record record = KC_RECORD_INIT;
        record.topic = SIM_TOPIC;
        if (w->choice == SIM_CHOOSE_EXPLICIT) {
            partition = (int32_t)kci_prng_below(&p->prng, (uint64_t)p->stage->partitions);
            record.partition = partition;
        } else if (w->choice == SIM_CHOOSE_KEY) {
            snprintf((char *)bytes + size, 8, "key-%02d", (int)kci_prng_below(&p->prng, keys));
            record.key = (kc_bytes){ bytes + size, 6 };
            if (!w->grow_us) /* else it depends on what the producer knows by then */
                partition = (int32_t)((kci_murmur2(bytes + size, 6) & INT32_MAX) % (uint32_t)w->partitions);
        }
        sim_value_write(bytes, size, p->sender, counter + (uint32_t)i, partition);
        record.value = (kc_bytes){ bytes, size };
        if (w->gaps.tombstone && kci_prng_chance(&p->prng, w->gaps.tombstone, 1000000)) { /* then a header says it */
            names[i] = (kc_header){ SIM_VALUE_HEADER, record.value };
            record.headers = &names[i];
            record.header_count = 1;
            record.value = (kc_bytes){ NULL, 0 };
        }
        record.opaque = (void *)(uintptr_t)(counter + i + 1);
        p->burst[i] = record;
    }
    p->burst_count = count;
    p->burst_done = 0;
}

static void note_accepted(struct sim_producer *p, size_t count)
{
    struct sim_stage *stage = p->stage;
    for (size_t i = 0; i < count; i++) {
        const kc_record *record = &p->burst[p->burst_done + i];
        const kc_bytes *bytes = record->value.data ? &record->value : &record->headers->value;
        struct sim_value value = sim_value_read(bytes->data, bytes->size);
        struct sim_send *send = sim_history_send(&stage->history, p->sender);
        *send = (struct sim_send){ .partition = value.partition,
                                   .checksum = value.checksum,
                                   .sent_at = stage->world.now,
                                   .key = sim_key_read(record->key.data, record->key.size) };
    }
    p->burst_done += count;
    p->left -= (int32_t)count;
}

/* Queue what is left of the burst. true: all of it is queued. */
static bool push_burst(struct sim_producer *p)
{
    struct sim_stage *stage = p->stage;
    struct kci_producer_wait why = { KCI_WAIT_NOTHING, 0, 0, NULL };
    kc_error error;
    size_t accepted = 0;
    kc_err result = kci_producer_append(p->core, p->burst + p->burst_done, p->burst_count - p->burst_done, &accepted,
                                        stage->world.now, SIM_WALL_MS + stage->world.now / SIM_MS, &why, &error);
    note_accepted(p, accepted);
    if (result == KC_OK)
        return true;
    bool starved = result == KC_ERR_NO_MEMORY && p->memory.fail_at;
    if (result != KC_ERR_QUEUE_FULL && !starved) {
        sim_violation(&stage->verdict, "P0", "%s refuses record %zu: %s: %s", p->name, p->burst_done,
                      kc_err_name(result), error.text);
        p->finished = true;
    }
    return false;
}

static void look_at_flush(struct sim_producer *p)
{
    struct sim_stage *stage = p->stage;
    if (p->ticket && kci_producer_flushed(p->core, p->ticket)) {
        const struct sim_sender *sender = &stage->history.senders.items[p->sender];
        p->ticket = 0;
        for (size_t i = 0; i < p->ticket_count; i++)
            if (!sender->sends.items[i].reports)
                sim_violation(&stage->verdict, "P6", "%s is flushed and record %u/%zu has no report", p->name,
                              p->sender, i);
    }
    if (!p->ticket && kci_prng_chance(&p->prng, stage->workload.flush, 1000000)) {
        p->ticket_count = stage->history.senders.items[p->sender].sends.count;
        p->ticket = kci_producer_flush(p->core);
    }
}

/* What close does when its time is over. */
static void give_up(struct sim_producer *p, int64_t now)
{
    sim_note(&p->stage->world, "%s is to give up", p->name);
    kci_producer_close(p->core);
    kci_producer_abandon(p->core);
    p->ending = true;
    p->waiting = false;
    sim_alarm_set(&p->stage->world, &p->alarm, now + GIVE_UP_US);
}

static void look_at_end(struct sim_producer *p)
{
    sim_note(&p->stage->world, "%s is destroyed", p->name);
    if (p->ending && kci_producer_pending(p->core))
        sim_violation(&p->stage->verdict, "L5", "%s was told to give up and has %zu records without a report", p->name,
                      kci_producer_pending(p->core));
}

static void act(void *owner, int64_t now)
{
    struct sim_producer *p = owner;
    const struct sim_workload *w = &p->stage->workload;
    if (p->finished)
        return;
    if (p->ending || kci_prng_chance(&p->prng, w->abandon, 1000000)) {
        bool politely = !p->ending && kci_prng_chance(&p->prng, 1, 2);
        if (politely) {
            give_up(p, now);
            return;
        }
        look_at_end(p);
        destroy(p);
        create(p);
    }
    look_at_flush(p);
    if (p->burst_done == p->burst_count && p->left > 0)
        make_burst(p);
    if (p->burst_done == p->burst_count)
        return;
    p->waiting = !push_burst(p);
    int64_t pause = p->waiting ? WAIT_US : (int64_t)kci_prng_below(&p->prng, (uint64_t)w->pause_max + 1);
    sim_alarm_set(&p->stage->world, &p->alarm, now + pause);
}

/* ---- the end ---- */

void sim_producer_finish(struct sim_producer *p)
{
    p->finished = true;
    p->waiting = false;
    sim_alarm_stop(&p->stage->world, &p->alarm);
    kci_producer_close(p->core);
}

bool sim_producer_done(struct sim_producer *p, char *why, size_t size)
{
    size_t pending = kci_producer_pending(p->core);
    if (pending)
        snprintf(why, size, "%s has %zu records without a report", p->name, pending);
    return pending == 0;
}

void sim_producer_close(struct sim_producer *p)
{
    sim_alarm_stop(&p->stage->world, &p->alarm);
    if (p->core)
        destroy(p);
    kci_alloc_free(p->stage->alloc, p->burst);
    p->burst = NULL;
}
