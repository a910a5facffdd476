/* A consumer: the application side of poll, as the public functions do it, with virtual time in between.
 *
 *      IDLE --poll begins--> POLLING --records--> WORKING --> (COMMITTING) --> IDLE
 *                               `--nothing for a while--> IDLE          any --> LEAVING --> GONE (or at once: a crash)
 *
 * A member subscribes; the reader has all partitions by hand and seeks back now and then. */
#include "actors.h"

#include "consumer/internal.h"
#include "protocol/records.h"

#include <assert.h>
#include <stdio.h>

#define POLL_US         (200 * SIM_MS) /* how long one poll waits */
#define ERROR_US        (20 * SIM_MS)  /* pause after an error */
#define COMMIT_US       SIM_S          /* time limit of a commit that is waited for */
#define LATE_US         (60 * SIM_MS)  /* by which it may be late */
#define COMMIT_RARE     10             /* in phase 2 only every so many polls commit: it is to catch up */
#define COMMITS_MAX     16             /* asynchronous ones under way */
#define MEMORY_BYTES    (1 << 19)      /* besides fetch.memory.max */
#define GENERATION_BITS 20  /* of the context of an asynchronous commit; the rest is the time when it began */
#define OVERSLEEP       200 /* one piece of work in so many takes longer than max.poll.interval.ms, if that is short */
#define OVERSLEPT       (3 * SIM_S)

static void look(void *owner, int64_t now);

static void on_wake(void *context)
{
    sim_host_wake(((struct sim_consumer *)context)->host);
}

static void on_notify(void *context)
{
    struct sim_consumer *c = context;
    if (c->state == SIM_POLLING || c->state == SIM_COMMITTING || c->state == SIM_LEAVING)
        sim_alarm_set(&c->stage->world, &c->alarm, c->stage->world.now);
}

void sim_consumer_init(struct sim_consumer *c, struct sim_stage *stage, int slot, bool reader)
{
    memset(c, 0, sizeof *c);
    c->stage = stage;
    c->reader = reader;
    c->prng = sim_stream(stage->workload.seed, 200 + (uint64_t)slot);
    c->settings = stage->workload.consumer_settings;
    c->settings.group_id = reader ? NULL : SIM_GROUP;
    c->settings.enable_auto_commit = c->settings.enable_auto_commit && !reader;
    c->settings.group_protocol_consumer = stage->workload.modern;
    snprintf(c->fixed_id, sizeof c->fixed_id, "member-%d", slot % 100);
    c->settings.group_instance_id = stage->workload.fixed_members && !reader ? c->fixed_id : NULL;
    c->settings.notice = stage->workload.gaps.on ? sim_resets_notice : NULL;
    c->settings.notice_context = c;
    c->alarm.fire = look;
    c->alarm.owner = c;
    snprintf(c->name, sizeof c->name, reader ? "r%d" : "c%d", slot % 10);
    c->host = sim_host_add(&stage->world, c->name, &c->transport);
}

/* ---- what is held ---- */

static void hold(struct sim_consumer *c, int32_t partition, int64_t position)
{
    struct sim_hold hold = { .consumer = c->number,
                             .partition = partition,
                             .generation = c->reader ? -1 : c->core->group.generation,
                             .from = c->stage->world.now,
                             .to = INT64_MAX,
                             .position = position };
    c->hold[partition] = sim_history_hold(&c->stage->history, hold);
    c->next[partition] = position < 0 ? 0 : position;
}

static void held_again(struct sim_consumer *c, int32_t partition)
{
    if (c->hold[partition] >= 0)
        c->stage->history.holds.items[c->hold[partition]].generation_last = c->core->group.generation;
}

static void let_go(struct sim_consumer *c, int32_t partition)
{
    if (c->hold[partition] >= 0)
        c->stage->history.holds.items[c->hold[partition]].to = c->stage->world.now;
    c->hold[partition] = -1;
}

void sim_consumer_hold(struct sim_consumer *c, int32_t partition, int64_t position)
{
    let_go(c, partition);
    hold(c, partition, position);
}

void sim_consumer_join(struct sim_consumer *c)
{
    struct sim_stage *stage = c->stage;
    const char *const topics[] = { SIM_TOPIC };
    kc_error error;
    struct kci_consumer_options options = {
        .alloc = &c->alloc,
        .settings = &c->settings,
        .transport = c->transport,
        .logger = sim_logger(c->host),
        .seed = kci_prng_next(&c->prng),
        .wake = on_wake,
        .wake_context = c,
        .notify = on_notify,
        .notify_context = c,
        .plant = (enum kci_consumer_plant)stage->plants.consumer,
    };
    assert(c->state == SIM_GONE);
    if (stage->workload.mixed && !c->reader)
        c->settings.group_protocol_consumer = kci_prng_chance(&c->prng, 1, 2);
    c->memory = (struct test_alloc){ 0 };
    c->alloc = test_alloc_counting(&c->memory);
    if (stage->plants.starve == SIM_STARVE_CONSUMER && !stage->starved)
        c->memory.fail_at = stage->plants.starve_at;
    kc_err result = kci_consumer_create(&c->core, &options, &error);
    if (result == KC_ERR_NO_MEMORY && c->memory.fail_at)
        result = kci_consumer_create(&c->core, &options, &error);
    assert(result == KC_OK);
    sim_host_set(c->host, kci_consumer_engine(c->core));
    c->number = stage->next_consumer++;
    memset(c->paused, 0, sizeof c->paused);
    c->state = SIM_IDLE;
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        c->hold[p] = -1;
    if (c->reader) {
        kc_topic_partition all[SIM_PARTITIONS_MAX];
        for (int32_t p = 0; p < stage->workload.partitions; p++) {
            all[p] = (kc_topic_partition){ SIM_TOPIC, p, KC_OFFSET_BEGINNING, -1, NULL, KC_OK };
            hold(c, p, 0);
        }
        result = kci_consumer_assign(c->core, all, (size_t)stage->workload.partitions, stage->world.now, &error);
    } else {
        result = kci_consumer_subscribe(c->core, topics, 1, stage->world.now, &error);
        if (result == KC_ERR_NO_MEMORY && c->memory.fail_at)
            result = kci_consumer_subscribe(c->core, topics, 1, stage->world.now, &error);
    }
    assert(result == KC_OK);
    sim_note(&stage->world, "%s begins as consumer %d", c->name, c->number);
    sim_alarm_set(&stage->world, &c->alarm, stage->world.now);
}

static void check_memory(struct sim_consumer *c)
{
    struct sim_verdict *verdict = &c->stage->verdict;
    c->stage->starved |= c->memory.fail_at && c->memory.count >= c->memory.fail_at;
    if (c->memory.peak_bytes > (size_t)c->settings.fetch_memory_max + MEMORY_BYTES)
        sim_violation(verdict, "R2", "consumer %d took %zu bytes; fetch.memory.max is %lld", c->number,
                      c->memory.peak_bytes, (long long)c->settings.fetch_memory_max);
    if (c->memory.live_blocks)
        sim_violation(verdict, "R1", "consumer %d left %zu blocks (%zu bytes)", c->number, c->memory.live_blocks,
                      c->memory.live_bytes);
}

static void end(struct sim_consumer *c)
{
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        let_go(c, p);
    kci_consumer_operation_end(c->core, c->operation);
    c->operation = NULL;
    kci_consumer_destroy(c->core, c->stage->world.now);
    c->core = NULL;
    sim_host_crash(c->host);
    check_memory(c);
    sim_alarm_stop(&c->stage->world, &c->alarm);
    c->state = SIM_GONE;
}

void sim_consumer_crash(struct sim_consumer *c)
{
    if (c->state == SIM_GONE)
        return;
    sim_note(&c->stage->world, "%s (consumer %d) crashes", c->name, c->number);
    c->stage->clean_end &= c->reader;
    end(c);
}

/* ---- events and records ---- */

/* PROTOCOL 3.5: nothing is given twice, only what is held is taken away, and who is no member any more hears of a loss.
 */
static void check_event(struct sim_consumer *c, const struct kci_consumer_event *event)
{
    struct sim_verdict *verdict = &c->stage->verdict;
    size_t held = 0;
    for (int32_t p = 0; p < SIM_PARTITIONS_MAX; p++)
        held += c->hold[p] >= 0;
    if (event->kind == KCI_EVENT_REVOKED && c->core->group.generation < 0)
        sim_violation(verdict, "G4", "consumer %d is to give back what it has lost", c->number);
    bool eager = !c->core->group.modern && !c->core->group.cooperative;
    if (event->kind == KCI_EVENT_ASSIGNED && eager && held)
        sim_violation(verdict, "G5", "consumer %d gets partitions (eager) and still holds %zu", c->number, held);
    for (size_t i = 0; i < event->partitions.count; i++) {
        int32_t partition = event->partitions.items[i].partition;
        bool holds = c->hold[partition] >= 0;
        if (event->kind == KCI_EVENT_ASSIGNED)
            sim_consumers_check_owner(c, partition);
        if (event->kind == KCI_EVENT_ASSIGNED && holds)
            sim_violation(verdict, "G5", "consumer %d gets partition %d, which it has", c->number, partition);
        if ((event->kind == KCI_EVENT_REVOKED || event->kind == KCI_EVENT_LOST) && !holds)
            sim_violation(verdict, "G5", "consumer %d is to give back partition %d, which it has not", c->number,
                          partition);
    }
}

static void note_accepted(struct sim_consumer *c, const struct kci_partition_list *list, int64_t begun,
                          int32_t generation)
{
    for (size_t i = 0; i < list->count; i++)
        sim_history_accepted(&c->stage->history, (struct sim_accepted){ .consumer = c->number,
                                                                        .partition = list->items[i].partition,
                                                                        .generation = generation,
                                                                        .begun = begun });
}

static void run_event(struct sim_consumer *c, struct kci_consumer_event *event)
{
    static const char *const kinds[] = { "nothing", "gets", "is to give back", "has lost", "has committed" };
    struct sim_world *world = &c->stage->world;
    check_event(c, event);
    sim_trace(world, (uint64_t)event->kind << 32 | (uint64_t)event->partitions.count);
    for (size_t i = 0; i < event->partitions.count; i++) {
        const kc_topic_partition *item = &event->partitions.items[i];
        sim_note(world, "%s (consumer %d) %s partition %d, offset %lld, generation %d", c->name, c->number,
                 kinds[event->kind], item->partition, (long long)item->offset, c->core->group.generation);
        if (event->kind == KCI_EVENT_ASSIGNED && c->hold[item->partition] < 0)
            hold(c, item->partition, -1);
        if (event->kind == KCI_EVENT_ASSIGNED || event->kind == KCI_EVENT_REVOKED || event->kind == KCI_EVENT_LOST)
            c->paused[item->partition] = false; /* a new assignment is not paused */
        if (event->kind == KCI_EVENT_REVOKED)
            held_again(c, item->partition); /* cooperative: given back in the generation that took it away */
        if (event->kind == KCI_EVENT_REVOKED || event->kind == KCI_EVENT_LOST)
            let_go(c, item->partition);
    }
    if (event->kind == KCI_EVENT_NOTICE)
        c->settings.notice(c, &event->notice);
    if (event->kind == KCI_EVENT_COMMITTED && event->code == KC_OK)
        note_accepted(c, &event->partitions, (int64_t)((uintptr_t)event->context >> GENERATION_BITS),
                      (int32_t)((uintptr_t)event->context & ((1u << GENERATION_BITS) - 1)) - 1);
    for (int32_t p = 0; event->kind == KCI_EVENT_ASSIGNED && p < SIM_PARTITIONS_MAX; p++)
        held_again(c, p); /* kept over the rebalance */
    kci_consumer_event_done(c->core, event, world->now);
}

/* A tombstone says in a header what it is. */
static struct sim_value value_of(const kc_record_view *view)
{
    struct kci_reader headers = kci_reader_of(view->headers, view->headers_size);
    struct kci_bytes bytes = { view->value.data, view->value.size };
    struct kci_str name;
    if (!bytes.data && view->header_count)
        kci_record_header_next(&headers, &name, &bytes);
    return sim_value_read(bytes.data, bytes.size);
}

static void take_records(struct sim_consumer *c, struct kc_records *records)
{
    struct sim_stage *stage = c->stage;
    kc_record_view view;
    while (kci_records_next(records, &view)) {
        struct sim_value value = value_of(&view);
        sim_trace(&stage->world, (uint64_t)view.offset << 8 | (uint64_t)view.partition);
        if (view.partition < 0 || view.partition >= stage->workload.partitions || c->hold[view.partition] < 0) {
            sim_violation(&stage->verdict, "F6", "consumer %d got offset %lld of partition %d without holding it",
                          c->number, (long long)view.offset, view.partition);
            continue;
        }
        if (c->paused[view.partition])
            sim_violation(&stage->verdict, "F6", "consumer %d got offset %lld of partition %d, which is paused",
                          c->number, (long long)view.offset, view.partition);
        sim_history_deliver(&stage->history, (struct sim_delivery){ .hold = (uint32_t)c->hold[view.partition],
                                                                    .offset = view.offset,
                                                                    .at = stage->world.now,
                                                                    .value = value });
        c->next[view.partition] = view.offset + 1;
        int64_t *delivered = &stage->delivered_end[!c->reader][view.partition];
        *delivered = view.offset + 1 > *delivered ? view.offset + 1 : *delivered;
    }
    kci_records_release(records);
}

static void seek_back(struct sim_consumer *c)
{
    struct sim_stage *stage = c->stage;
    int32_t partition = (int32_t)kci_prng_below(&c->prng, (uint64_t)stage->workload.partitions);
    int64_t to = (int64_t)kci_prng_below(&c->prng, (uint64_t)c->next[partition] + 1);
    kc_error error;
    sim_consumer_hold(c, partition, to);
    sim_note(&stage->world, "%s seeks partition %d to %lld", c->name, partition, (long long)to);
    kc_err result = kci_consumer_seek(c->core, SIM_TOPIC, partition, to, stage->world.now, &error);
    if (result != KC_OK)
        sim_violation(&stage->verdict, "F6", "seek: %s", error.text);
}

static void pause_or_resume(struct sim_consumer *c, int32_t partition, bool pause)
{
    kc_topic_partition item = { SIM_TOPIC, partition, -1, -1, NULL, KC_OK };
    if (kci_consumer_pause(c->core, &item, 1, pause, NULL) == KC_OK)
        c->paused[partition] = pause;
}

static void whims(struct sim_consumer *c)
{
    const struct sim_workload *w = &c->stage->workload;
    if (c->stage->healed)
        return;
    if (c->reader && kci_prng_chance(&c->prng, w->seek, 1000000))
        seek_back(c);
    if (kci_prng_chance(&c->prng, w->pause, 1000000)) {
        int32_t partition = (int32_t)kci_prng_below(&c->prng, (uint64_t)w->partitions);
        pause_or_resume(c, partition, !c->paused[partition]);
    }
}

/* ---- the loop of an application ---- */

static void rest(struct sim_consumer *c, enum sim_consumer_state state, int64_t at)
{
    c->state = state;
    sim_alarm_set(&c->stage->world, &c->alarm, at);
}

static void on_commit(void *context, kc_err code, const kc_topic_partition *items, size_t count)
{
    (void)context; /* run_event() has written it down */
    (void)code;
    (void)items;
    (void)count;
}

static void commit(struct sim_consumer *c, int64_t now)
{
    kc_error error;
    enum sim_commit_mode mode = c->stage->workload.commit;
    if (c->reader || mode == SIM_COMMIT_AUTO || (c->stage->healed && !kci_prng_chance(&c->prng, 1, COMMIT_RARE)))
        return;
    if (mode == SIM_COMMIT_ASYNC) { /* they go out one after the other: do not pile them up */
        size_t queued = 0;
        KCI_LIST_EACH(link, &c->core->operations.list)
        {
            queued++;
        }
        if (queued > COMMITS_MAX)
            return;
        uint64_t when = (uint64_t)now << GENERATION_BITS | (uint64_t)(c->core->group.generation + 1);
        kci_consumer_commit_async(c->core, NULL, 0, on_commit, (void *)(uintptr_t)when, now, &error);
        return;
    }
    c->until = now + COMMIT_US + LATE_US;
    c->commit_begun = now;
    c->commit_generation = c->core->group.generation;
    kci_consumer_begin_commit(c->core, &c->operation, NULL, 0, now + COMMIT_US, &error);
    if (c->operation)
        rest(c, SIM_COMMITTING, c->until);
}

static void look_at_commit(struct sim_consumer *c, int64_t now)
{
    const struct kci_partition_list *items;
    struct kci_consumer_event event;
    kc_err code = KC_OK;
    kc_error error;
    bool ended = kci_consumer_operation_done(c->core, c->operation, &items, &code, &error), done = ended;
    if (!done && now >= c->until) {
        sim_violation(&c->stage->verdict, "L5", "a commit of consumer %d is late", c->number);
        done = true;
    }
    if (!done) {
        rest(c, SIM_COMMITTING, c->until);
        return;
    }
    sim_note(&c->stage->world, "%s committed: %s", c->name, kc_err_name(code));
    if (ended && code == KC_OK)
        note_accepted(c, items, c->commit_begun, c->commit_generation);
    kci_consumer_operation_end(c->core, c->operation);
    c->operation = NULL;
    for (kci_consumer_next_event(c->core, &event, now); event.kind != KCI_EVENT_NONE;
         kci_consumer_next_event(c->core, &event, now))
        run_event(c, &event);
    rest(c, SIM_IDLE, now);
}

static void poll(struct sim_consumer *c, int64_t now)
{
    struct sim_stage *stage = c->stage;
    const struct sim_workload *w = &stage->workload;
    struct kci_consumer_event event;
    struct kc_records *records = NULL;
    kc_error error;
    kc_err result;
    do {
        result = kci_consumer_poll(c->core, &records, &event, now, &error);
        if (event.kind != KCI_EVENT_NONE)
            run_event(c, &event);
        else
            break;
    } while (true);
    if (result == KC_OK && !records && now < c->until) {
        rest(c, SIM_POLLING, c->until);
        return;
    }
    kci_consumer_poll_leave(c->core, now);
    /* A new coordinator may know an earlier life of this member only, whose place it took and never got to store:
     * Kafka then fences it, and its process has to begin anew.  So has one that finds its place taken by the life that
     * crashed before it, again and again until the session of that one is over. */
    if ((result == KC_ERR_FENCED_INSTANCE_ID || result == KC_ERR_UNRELEASED_INSTANCE_ID) && w->fixed_members) {
        sim_consumer_crash(c);
        return;
    }
    if (result == KC_ERR_OFFSET_OUT_OF_RANGE || result == KC_ERR_NO_OFFSET) { /* auto.offset.reset=none */
        sim_resets_seek(c);
        rest(c, SIM_IDLE, now);
        return;
    }
    if (result == KC_ERR_GROUP_ID_NOT_FOUND && stage->history.lossy) { /* it was lost: the next poll joins a new one */
        rest(c, SIM_IDLE, now + ERROR_US);
        return;
    }
    bool starved = stage->plants.starve == SIM_STARVE_BROKERS ? result == KC_ERR_UNKNOWN_SERVER_ERROR
                                                              : result == KC_ERR_NO_MEMORY && c->memory.fail_at;
    if (starved) {
        rest(c, SIM_IDLE, now + ERROR_US);
        return;
    }
    if (result != KC_OK) {
        sim_note(&stage->world, "%s poll: %s: %s", c->name, kc_err_name(result), error.text);
        sim_violation(&stage->verdict, "F0", "poll of consumer %d: %s: %s", c->number, kc_err_name(result), error.text);
        rest(c, SIM_IDLE, now + ERROR_US);
        return;
    }
    rest(c, SIM_IDLE, now);
    if (!records)
        return;
    take_records(c, records);
    int64_t work = stage->healed ? SIM_MS : (int64_t)kci_prng_below(&c->prng, (uint64_t)w->work_max + 1);
    if (c->settings.max_poll_interval_ms < 3000 && !stage->healed && kci_prng_chance(&c->prng, 1, OVERSLEEP))
        work = OVERSLEPT;
    if (!c->reader && !stage->healed && kci_prng_chance(&c->prng, w->freeze, 1000000)) {
        work = 1 + (int64_t)kci_prng_below(&c->prng, (uint64_t)c->settings.session_timeout_ms * 3 * SIM_MS);
        sim_note(&stage->world, "%s stands still for %.3f s", c->name, (double)work / 1e6);
        sim_host_pause(c->host, now + work);
    }
    rest(c, SIM_WORKING, now + work);
}

static void look_at_leave(struct sim_consumer *c, int64_t now)
{
    struct kci_consumer_event event;
    kc_err code = KC_OK;
    for (kci_consumer_next_event(c->core, &event, now); event.kind != KCI_EVENT_NONE;
         kci_consumer_next_event(c->core, &event, now))
        run_event(c, &event);
    if (kci_consumer_left(c->core, &code)) {
        sim_note(&c->stage->world, "%s (consumer %d) has left: %s", c->name, c->number, kc_err_name(code));
        c->stage->clean_end &= code == KC_OK;
        end(c);
    } else if (now >= c->until + LATE_US) {
        sim_violation(&c->stage->verdict, "L5", "consumer %d does not end in time: %s", c->number,
                      kci_consumer_group_state(c->core));
        end(c);
    } else {
        rest(c, SIM_LEAVING, c->until + LATE_US);
    }
}

static void look(void *owner, int64_t now)
{
    struct sim_consumer *c = owner;
    switch (c->state) {
    case SIM_GONE:
        return;
    case SIM_WORKING:
        c->state = SIM_IDLE;
        commit(c, now);
        if (c->state == SIM_IDLE)
            rest(c, SIM_IDLE, now);
        return;
    case SIM_COMMITTING:
        look_at_commit(c, now);
        return;
    case SIM_LEAVING:
        look_at_leave(c, now);
        return;
    case SIM_IDLE:
        whims(c);
        kci_consumer_poll_enter(c->core, now);
        c->state = SIM_POLLING;
        c->until = now + POLL_US;
        poll(c, now);
        return;
    case SIM_POLLING:
        poll(c, now);
        return;
    }
}

void sim_consumer_leave(struct sim_consumer *c)
{
    if (c->state == SIM_GONE || c->state == SIM_LEAVING) /* or nobody was ever there */
        return;
    int64_t now = c->stage->world.now;
    if (c->host->paused_until > now)
        return;
    if (c->state == SIM_POLLING)
        kci_consumer_poll_leave(c->core, now);
    kci_consumer_operation_end(c->core, c->operation);
    c->operation = NULL;
    sim_note(&c->stage->world, "%s (consumer %d) leaves", c->name, c->number);
    c->until = now + c->stage->workload.leave_us;
    kci_consumer_begin_leave(c->core, true, now, c->until);
    rest(c, SIM_LEAVING, now);
}

void sim_consumer_heal(struct sim_consumer *c)
{
    if (!c->host) /* nobody was ever there */
        return;
    sim_host_pause(c->host, 0);
    for (int32_t p = 0; c->core && p < c->stage->workload.partitions; p++)
        if (c->paused[p])
            pause_or_resume(c, p, false);
}

bool sim_consumer_done(struct sim_consumer *c, const int64_t *ends, char *why, size_t size)
{
    if (c->state == SIM_GONE)
        return true;
    if (c->state == SIM_LEAVING) {
        snprintf(why, size, "%s is still leaving", c->name);
        return false;
    }
    if (c->state == SIM_WORKING) { /* perhaps longer than max.poll.interval.ms */
        snprintf(why, size, "%s is at work", c->name);
        return false;
    }
    if (!c->reader && c->core->group.state != KCI_GROUP_STABLE) {
        snprintf(why, size, "%s is not stable but %s", c->name, kci_consumer_group_state(c->core));
        return false;
    }
    if (!kci_list_empty(&c->core->operations.list)) {
        snprintf(why, size, "%s still commits", c->name);
        return false;
    }
    for (int32_t p = 0; p < c->stage->workload.partitions; p++) {
        int64_t position = -1, since = 0;
        if (c->hold[p] < 0)
            continue;
        kci_consumer_position(c->core, SIM_TOPIC, p, &position, NULL);
        if (position != ends[p]) { /* beyond it: of a topic that was deleted and made anew */
            const char *state = kci_consumer_position_state(c->core, SIM_TOPIC, p, c->stage->world.now, &since);
            snprintf(why, size, "%s is at offset %lld of %lld in partition %d, %s for %.3f s%s", c->name,
                     (long long)position, (long long)ends[p], p, state ? state : "not assigned", (double)since / 1e6,
                     c->paused[p] ? ", paused" : "");
            return false;
        }
    }
    return true;
}
