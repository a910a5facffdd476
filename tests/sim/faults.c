/* The brokers' own faults: armed at random times for a few requests.  The journal runs along.
 *
 *      B5    what a fault counts as its hits are the requests that the journal shows with it, no more and no less; so one
 *            that met nobody can be told from one that did */
#include "actors.h"

#include "mockbroker/core/journal.h"

#include <assert.h>
#include <stdio.h>

#define JOURNAL_BYTES ((size_t)16 << 20) /* what does not fit is forgotten, and then nothing is compared */

struct sim_errors {
    struct sim_brokers *brokers;
    struct kci_prng prng;
    struct sim_alarm next;
    bool done; /* compared */
};

static const char *one_of(struct kci_prng *prng, const char *const *texts, size_t count)
{
    return texts[kci_prng_below(prng, count)];
}

static void arm(void *owner, int64_t now)
{
    static const char *const apis[] = { "\"Produce\"",
                                        "\"Fetch\"",
                                        "\"Metadata\"",
                                        "\"FindCoordinator\"",
                                        "[\"JoinGroup\", \"SyncGroup\", \"Heartbeat\"]",
                                        "\"ConsumerGroupHeartbeat\"",
                                        "[\"OffsetCommit\", \"OffsetFetch\"]",
                                        "[\"ListOffsets\", \"OffsetForLeaderEpoch\"]",
                                        "\"ApiVersions\"" };
    static const char *const actions[] = {
        "{\"type\": \"disconnect\", \"when\": \"before\"}",
        "{\"type\": \"disconnect\", \"when\": \"after\"}",
        "{\"type\": \"disconnect\", \"bytes\": 7}",
        "{\"type\": \"silence\", \"when\": \"before\"}",
        "{\"type\": \"silence\", \"when\": \"after\"}",
        "{\"type\": \"delay\", \"ms\": 50, \"jitter_ms\": 500, \"when\": \"before\"}",
        "{\"type\": \"delay\", \"ms\": 50, \"jitter_ms\": 500, \"when\": \"after\"}",
        "{\"type\": \"slow_write\", \"bytes\": 9, \"ms\": 3}",
        "{\"type\": \"throttle\", \"ms\": 100}"
    };
    struct sim_errors *errors = owner;
    struct sim_brokers *b = errors->brokers;
    const char *api = one_of(&errors->prng, apis, sizeof apis / sizeof *apis);
    const char *action = one_of(&errors->prng, actions, sizeof actions / sizeof *actions);
    int count = 1 + (int)kci_prng_below(&errors->prng, 4);
    char json[300], why[200];
    snprintf(json, sizeof json, "{\"match\": {\"api\": %s}, \"count\": %d, \"duration_ms\": 400, \"action\": %s}", api,
             count, action);
    int failure = mb_fault_add(b->cluster, kci_str_of(json), NULL, why, sizeof why, now);
    assert(!failure);
    (void)failure;
    sim_note(&b->stage->world, "a fault: %s", json);
    sim_host_wake(b->host);
    sim_alarm_again(&b->stage->world, &errors->next, &errors->prng, b->stage->workload.errors_us);
}

static int64_t shown(const struct mb_journal *journal, int32_t id)
{
    int64_t count = 0;
    KCI_LIST_EACH(node, &journal->entries)
    {
        const struct mb_journal_entry *entry = KCI_CONTAINER(node, struct mb_journal_entry, link);
        for (size_t i = 0; i < entry->fault_count; i++)
            count += entry->faults[i] == id;
    }
    return count;
}

static void compare(struct sim_brokers *b)
{
    const struct mb_journal *journal = b->cluster->journal;
    if (!journal || journal->evicted || !b->cluster->faults)
        return;
    KCI_LIST_EACH(node, &b->cluster->faults->all)
    {
        const struct mb_fault *fault = KCI_CONTAINER(node, struct mb_fault, link);
        int64_t count = shown(journal, fault->id);
        if (count != fault->hits)
            sim_violation(&b->stage->verdict, "B5", "fault %d (%s) counts %lld hits; the journal shows it %lld times",
                          fault->id, fault->spec, (long long)fault->hits, (long long)count);
    }
}

void sim_errors_open(struct sim_brokers *b)
{
    const struct sim_workload *w = &b->stage->workload;
    b->errors = kci_alloc_zero(b->stage->alloc, 1, sizeof *b->errors);
    assert(b->errors);
    b->errors->brokers = b;
    b->errors->prng = sim_stream(w->seed, 11);
    b->errors->next.fire = arm;
    b->errors->next.owner = b->errors;
    if (!w->errors_us)
        return;
    int failure = mb_journal_set(b->cluster, JOURNAL_BYTES);
    assert(!failure);
    (void)failure;
    sim_alarm_set(&b->stage->world, &b->errors->next, b->stage->world.now + 1);
}

void sim_errors_heal(struct sim_brokers *b)
{
    if (!b->stage->workload.errors_us || b->errors->done)
        return;
    b->errors->done = true;
    sim_alarm_stop(&b->stage->world, &b->errors->next);
    compare(b);
    mb_fault_remove_all(b->cluster, b->stage->world.now);
    mb_journal_set(b->cluster, 0);
    sim_host_wake(b->host);
}

void sim_errors_close(struct sim_brokers *b)
{
    sim_alarm_stop(&b->stage->world, &b->errors->next);
    kci_alloc_free(b->stage->alloc, b->errors);
}
