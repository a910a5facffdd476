/* Auditors: kclient's consumers with a hand assignment that read the ledger, from the beginning on and, when they have
 * gone back, from anywhere: in the middle of transactions, too. */
#include "tellers.h"

#include "consumer/internal.h"

#include <assert.h>
#include <stdio.h>

#define POLL_US  (200 * SIM_MS) /* how long one poll waits */
#define ERROR_US (20 * SIM_MS)  /* pause after an error */

static void on_wake(void *context)
{
    sim_host_wake(((struct sim_auditor *)context)->host);
}

static void on_notify(void *context)
{
    struct sim_auditor *a = context;
    if (a->polling)
        sim_alarm_set(&a->stage->world, &a->alarm, a->stage->world.now);
}

static void audit(struct sim_auditor *a, int32_t partition, int64_t position)
{
    struct sim_audit of = {
        .auditor = a->number, .partition = partition, .committed = a->committed, .position = position
    };
    a->audit[partition] = sim_ledger_audit(&a->stage->history.ledger, of);
    a->next[partition] = position;
}

static void take(struct sim_auditor *a, struct kc_records *records)
{
    struct sim_stage *stage = a->stage;
    kc_record_view view;
    while (kci_records_next(records, &view)) {
        bool known = view.partition >= 0 && view.partition < stage->workload.txn_partitions;
        sim_trace(&stage->world, (uint64_t)view.offset << 8 | (uint64_t)view.partition);
        if (!known) {
            sim_violation(&stage->verdict, "F3", "%s got a record of ledger %d", a->name, view.partition);
            continue;
        }
        bool early = a->committed && sim_vault_is_open(&stage->bank->vault, view.partition, view.offset);
        sim_ledger_audited(&stage->history.ledger,
                           (struct sim_audited){ .audit = a->audit[view.partition],
                                                 .offset = view.offset,
                                                 .at = stage->world.now,
                                                 .early = early,
                                                 .value = sim_value_read(view.value.data, view.value.size) });
        a->next[view.partition] = view.offset + 1;
    }
    kci_records_release(records);
}

static void seek_back(struct sim_auditor *a)
{
    struct sim_stage *stage = a->stage;
    int32_t partition = (int32_t)kci_prng_below(&a->prng, (uint64_t)stage->workload.txn_partitions);
    int64_t to = (int64_t)kci_prng_below(&a->prng, (uint64_t)a->next[partition] + 1);
    kc_error error;
    audit(a, partition, to);
    sim_note(&stage->world, "%s seeks partition %d to %lld", a->name, partition, (long long)to);
    kc_err result = kci_consumer_seek(a->core, SIM_LEDGER, partition, to, stage->world.now, &error);
    if (result != KC_OK)
        sim_violation(&stage->verdict, "F6", "seek: %s", error.text);
}

static void rest(struct sim_auditor *a, int64_t at)
{
    sim_alarm_set(&a->stage->world, &a->alarm, at);
}

static void act(void *owner, int64_t now)
{
    struct sim_auditor *a = owner;
    struct sim_stage *stage = a->stage;
    struct kci_consumer_event event;
    struct kc_records *records = NULL;
    kc_error error;
    if (!a->polling) {
        if (!stage->healed && kci_prng_chance(&a->prng, stage->workload.txn_seek, 1000000))
            seek_back(a);
        kci_consumer_poll_enter(a->core, now);
        a->polling = true;
        a->until = now + POLL_US;
    }
    kc_err result = kci_consumer_poll(a->core, &records, &event, now, &error);
    if (event.kind != KCI_EVENT_NONE)
        kci_consumer_event_done(a->core, &event, now);
    if (result == KC_OK && !records && now < a->until) {
        rest(a, a->until);
        return;
    }
    kci_consumer_poll_leave(a->core, now);
    a->polling = false;
    if (result != KC_OK) {
        sim_violation(&stage->verdict, "F0", "poll of %s: %s: %s", a->name, kc_err_name(result), error.text);
        rest(a, now + ERROR_US);
        return;
    }
    if (records)
        take(a, records);
    rest(a, now + (int64_t)kci_prng_below(&a->prng, SIM_MS));
}

void sim_auditor_open(struct sim_auditor *a, struct sim_stage *stage, int number)
{
    const struct sim_workload *w = &stage->workload;
    kc_topic_partition all[SIM_LEDGER_PARTITIONS];
    kc_error error;
    memset(a, 0, sizeof *a);
    a->stage = stage;
    a->number = number;
    a->committed = number == 0;
    a->prng = sim_stream(w->seed, 320 + (uint64_t)number);
    a->settings = w->consumer_settings;
    a->settings.client_id = "auditor";
    a->settings.group_id = a->settings.group_instance_id = NULL;
    a->settings.enable_auto_commit = false;
    a->settings.isolation_level = a->committed ? KCI_READ_COMMITTED : KCI_READ_UNCOMMITTED;
    a->settings.max_partition_fetch_bytes = w->txn_fetch_bytes;
    a->settings.fetch_min_bytes = 1; /* else, with one partition, each fetch may wait for more than it can get */
    a->alarm.fire = act;
    a->alarm.owner = a;
    snprintf(a->name, sizeof a->name, "a%d", number % 10);
    a->host = sim_host_add(&stage->world, a->name, &a->transport);
    struct kci_consumer_options options = { .alloc = stage->alloc,
                                            .settings = &a->settings,
                                            .transport = a->transport,
                                            .logger = sim_logger(a->host),
                                            .seed = kci_prng_next(&a->prng),
                                            .wake = on_wake,
                                            .wake_context = a,
                                            .notify = on_notify,
                                            .notify_context = a,
                                            .plant = (enum kci_consumer_plant)stage->plants.consumer };
    kc_err result = kci_consumer_create(&a->core, &options, &error);
    assert(result == KC_OK);
    sim_host_set(a->host, kci_consumer_engine(a->core));
    for (int32_t p = 0; p < w->txn_partitions; p++) {
        all[p] = (kc_topic_partition){ SIM_LEDGER, p, KC_OFFSET_BEGINNING, -1, NULL, KC_OK };
        audit(a, p, 0);
    }
    result = kci_consumer_assign(a->core, all, (size_t)w->txn_partitions, stage->world.now, &error);
    assert(result == KC_OK);
    (void)result;
    rest(a, stage->world.now);
}

bool sim_auditor_done(struct sim_auditor *a, const int64_t *ends, char *why, size_t size)
{
    struct sim_stage *stage = a->stage;
    for (int32_t p = 0; p < stage->workload.txn_partitions; p++) {
        int64_t position = -1, since = 0;
        kci_consumer_position(a->core, SIM_LEDGER, p, &position, NULL);
        if (position < ends[p]) {
            const char *state = kci_consumer_position_state(a->core, SIM_LEDGER, p, stage->world.now, &since);
            snprintf(why, size, "%s is at offset %lld of %lld in ledger %d, %s for %.3f s", a->name,
                     (long long)position, (long long)ends[p], p, state ? state : "not assigned", (double)since / 1e6);
            return false;
        }
    }
    return true;
}

void sim_auditor_close(struct sim_auditor *a)
{
    if (!a->core)
        return;
    for (int32_t p = 0; p < a->stage->workload.txn_partitions; p++)
        a->stage->history.ledger.audits.items[a->audit[p]].whole = !a->stage->verdict.violations;
    kci_consumer_destroy(a->core, a->stage->world.now);
    a->core = NULL;
    sim_host_crash(a->host);
    sim_alarm_stop(&a->stage->world, &a->alarm);
}
