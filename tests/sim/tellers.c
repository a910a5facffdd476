/* Tellers: what they do.  A transactional id has one, and now and then a second one that takes its place while the first
 * one still believes that it is there.
 *
 *      GONE --> INIT --> REST --> (PLAIN --> REST)
 *                ^        '-----> ADD* --> PRODUCE --> ... --> ADD_GROUP* --> OFFSETS --> END --> REST
 *                '----------- a new epoch* ------------------------------------------------'       * classic only
 *
 * A teller that is fenced ends at once; one that crashes leaves its transaction open, for its successor or the time-out
 * to abort.  Without transaction.version 2 what is late from one transaction may come into the next one of the same
 * epoch: who is in doubt takes a new epoch (KIP-360), as Kafka's clients do. */
#include "tellers.h"

#include <assert.h>
#include <stdio.h>

#define AGAIN_US      (20 * SIM_MS) /* before a request is sent once more, at most */
#define ATTEMPTS_MAX  12            /* of a step of a transaction; then it is aborted */
#define PLAIN_IN      5             /* one batch in so many is in no transaction */
#define OVERSLEEP_IN  150           /* one step in so many takes longer than the transaction may */
#define COMMIT_OF_8   5             /* so many of eight transactions are to be committed */
#define OFFSET_IN     3             /* one transaction in so many commits an offset */
#define IN_FLIGHT_MAX 5

static void act(void *owner, int64_t now);

/* ---- the engine ---- */

static struct kci_cluster *cluster_of(void *self)
{
    return ((struct sim_teller *)self)->cluster;
}
static void step(void *self, int64_t now)
{
    kci_cluster_step(cluster_of(self), now);
}
static int64_t deadline(void *self)
{
    return kci_cluster_deadline(cluster_of(self));
}
static const struct kci_engine_ops ops = { .step = step,
                                           .deadline = deadline,
                                           .on_open = kci_cluster_on_open,
                                           .on_space = kci_cluster_on_space,
                                           .on_bytes = kci_cluster_on_bytes,
                                           .on_sent = kci_cluster_on_sent,
                                           .on_close = kci_cluster_on_close,
                                           .on_resolved = kci_cluster_on_resolved };

/* ---- coming and going ---- */

static void start(struct sim_teller *t)
{
    struct sim_stage *stage = t->all->stage;
    const struct sim_workload *w = &stage->workload;
    struct kci_cluster_options options = { .alloc = stage->alloc,
                                           .settings = &t->settings,
                                           .transport = t->transport,
                                           .logger = sim_logger(t->host),
                                           .seed = kci_prng_next(&t->prng),
                                           .in_flight_max = IN_FLIGHT_MAX,
                                           .owner = t };
    kc_error error;
    assert(t->step == SIM_TELLER_GONE);
    kc_err result = kci_cluster_create(&t->cluster, &options, &error);
    assert(result == KC_OK);
    (void)result;
    kci_coordinator_init(&t->coordinator, t->cluster, 1, t->txn_id);
    kci_coordinator_init(&t->group_coordinator, t->cluster, 0, t->group);
    kci_cluster_want_topic(t->cluster, kci_str_of(SIM_LEDGER), stage->world.now);
    sim_host_set(t->host, (struct kci_engine){ t, &ops });
    /* Not both for one id: when a classic one has taken the place of a v2 one, Kafka takes the late EndTxn of the former,
     * whose epoch is the one before, for a repetition of the latter's. */
    t->modern = w->txn_modern == 2 ? t->id % 2 : w->txn_modern == 1;
    t->closing = t->last = t->again = t->in_doubt = t->fenced = false;
    t->txn = SIM_PLAIN;
    t->attempts = 0;
    t->step = SIM_TELLER_INIT;
    sim_note(&stage->world, "%s begins as %s%s", t->name, t->txn_id, t->modern ? ", transaction.version 2" : "");
    sim_alarm_set(&stage->world, &t->alarm, stage->world.now);
}

static void end(struct sim_teller *t)
{
    struct sim_stage *stage = t->all->stage;
    if (t->step == SIM_TELLER_GONE)
        return;
    t->step = SIM_TELLER_GONE;
    t->closing = true;
    kci_coordinator_stop(&t->coordinator, stage->world.now);
    kci_coordinator_stop(&t->group_coordinator, stage->world.now);
    kci_cluster_destroy(t->cluster, stage->world.now);
    t->cluster = NULL;
    sim_host_crash(t->host);
    sim_alarm_stop(&stage->world, &t->alarm);
    kci_writer_destroy(&t->batch);
    t->batch = (struct kci_writer){ NULL, 0, 0, 0, NULL, false };
}

static void turn(void *owner, int64_t now)
{
    const struct sim_turn *of = owner;
    struct sim_tellers *all = of->tellers;
    struct sim_teller *pair = all->each[of->id];
    const struct sim_workload *w = &all->stage->workload;
    int one = (int)kci_prng_below(&all->prng, 2);
    struct sim_teller *first = &pair[one], *other = &pair[!one];
    if (first->step == SIM_TELLER_GONE && other->step == SIM_TELLER_GONE) {
        start(first);
    } else if (kci_prng_chance(&all->prng, 1, 2) &&
               (first->step == SIM_TELLER_GONE || other->step == SIM_TELLER_GONE)) {
        struct sim_teller *old = first->step == SIM_TELLER_GONE ? other : first;
        if (kci_prng_chance(&all->prng, 1, 2))
            sim_host_pause(old->host, now + (int64_t)kci_prng_below(&all->prng, SIM_S));
        start(first->step == SIM_TELLER_GONE ? first : other);
    } else if (first->step != SIM_TELLER_GONE) {
        sim_note(&all->stage->world, "%s crashes", first->name);
        end(first);
    }
    sim_alarm_again(&all->stage->world, &all->turn[of->id], &all->prng, w->txn_turn_us);
}

/* ---- a transaction ---- */

static void rest(struct sim_teller *t, int64_t now)
{
    const struct sim_workload *w = &t->all->stage->workload;
    int64_t pause = (int64_t)kci_prng_below(&t->prng, (uint64_t)w->txn_pause_us + 1);
    if (!t->all->stage->healed && kci_prng_chance(&t->prng, 1, OVERSLEEP_IN))
        pause += 2 * SIM_MS * (int64_t)w->txn_timeout_ms;
    sim_alarm_set(&t->all->stage->world, &t->alarm, now + pause);
}

static uint32_t records(struct sim_teller *t)
{
    return 1 + (uint32_t)kci_prng_below(&t->prng, SIM_TELLER_MAX);
}

static void choose_partition(struct sim_teller *t)
{
    t->partition = (int32_t)kci_prng_below(&t->prng, (uint64_t)t->all->stage->workload.txn_partitions);
}

/* What comes next in the transaction. */
static void go_on(struct sim_teller *t)
{
    t->attempts = 0;
    if (t->wants_offset && (!t->left || kci_prng_chance(&t->prng, 1, 4))) {
        t->step = t->modern || t->group_added ? SIM_TELLER_OFFSETS : SIM_TELLER_ADD_GROUP;
    } else if (t->left) {
        choose_partition(t);
        t->step = t->modern || t->added[t->partition] ? SIM_TELLER_PRODUCE : SIM_TELLER_ADD;
        if (t->step == SIM_TELLER_PRODUCE)
            sim_teller_batch(t, t->partition, records(t));
    } else {
        t->step = SIM_TELLER_END;
    }
}

static void begin(struct sim_teller *t)
{
    t->attempts = 0;
    if (kci_prng_chance(&t->prng, 1, PLAIN_IN)) {
        t->step = SIM_TELLER_PLAIN;
        choose_partition(t);
        sim_teller_batch(t, t->partition, records(t));
        return;
    }
    t->txn = sim_ledger_txn(&t->all->stage->history.ledger, (struct sim_txn){ .lease = t->lease });
    t->left = 1 + (int32_t)kci_prng_below(&t->prng, 4);
    t->wants_offset = kci_prng_chance(&t->prng, 1, OFFSET_IN);
    t->commit = kci_prng_chance(&t->prng, COMMIT_OF_8, 8);
    t->told = t->group_added = false;
    memset(t->added, 0, sizeof t->added);
    sim_note(&t->all->stage->world, "%s begins transaction %u, epoch %d of producer %lld", t->name, t->txn, t->epoch,
             (long long)t->producer_id);
    go_on(t);
}

static void ended(struct sim_teller *t)
{
    t->txn = SIM_PLAIN;
    t->again = !t->modern && t->in_doubt;
    t->step = t->again ? SIM_TELLER_INIT : SIM_TELLER_REST;
    t->attempts = 0;
}

/* It cannot be committed any more. Its batch under way, if any, leaves a gap in the sequence. */
static void abort_it(struct sim_teller *t)
{
    t->commit = false;
    t->in_doubt = true;
    t->attempts = 0;
    if (t->modern || t->told)
        t->step = SIM_TELLER_END;
    else
        ended(t);
}

static void done(struct sim_teller *t)
{
    struct sim_txn *txn = t->txn == SIM_PLAIN ? NULL : &t->all->stage->history.ledger.txns.items[t->txn];
    t->attempts = 0;
    switch (t->step) {
    case SIM_TELLER_INIT:
        t->again = t->in_doubt = false;
        t->step = SIM_TELLER_REST;
        break;
    case SIM_TELLER_ADD:
        t->added[t->partition] = t->told = true;
        t->step = SIM_TELLER_PRODUCE;
        sim_teller_batch(t, t->partition, records(t));
        break;
    case SIM_TELLER_PRODUCE:
        t->told = true;
        t->left--;
        go_on(t);
        break;
    case SIM_TELLER_ADD_GROUP:
        t->group_added = t->told = true;
        t->step = SIM_TELLER_OFFSETS;
        break;
    case SIM_TELLER_OFFSETS:
        t->told = txn->offset_taken = true;
        t->wants_offset = false;
        go_on(t);
        break;
    case SIM_TELLER_END:
        txn->confirmed = true;
        sim_note(&t->all->stage->world, "%s has %s transaction %u", t->name, t->commit ? "committed" : "aborted",
                 t->txn);
        ended(t);
        break;
    default:
        t->step = SIM_TELLER_REST;
        break;
    }
}

static bool in_transaction(const struct sim_teller *t)
{
    return t->step == SIM_TELLER_ADD || t->step == SIM_TELLER_PRODUCE || t->step == SIM_TELLER_ADD_GROUP ||
           t->step == SIM_TELLER_OFFSETS;
}

/* It aborts with something still on its way, which then comes too late. */
static bool loses_patience(struct sim_teller *t, enum sim_outcome outcome)
{
    return outcome == SIM_NOT_KNOWN && kci_prng_chance(&t->prng, 1, 2);
}

void sim_teller_answered(struct sim_teller *t, enum sim_outcome outcome, int64_t now)
{
    struct sim_stage *stage = t->all->stage;
    sim_trace(&stage->world, (uint64_t)t->step << 8 | outcome);
    bool again = outcome == SIM_AGAIN || outcome == SIM_NOT_KNOWN;
    t->in_doubt |= outcome == SIM_NOT_KNOWN;
    t->told |= outcome == SIM_NOT_KNOWN;
    if (outcome == SIM_DONE) {
        done(t);
    } else if (outcome == SIM_FENCED) {
        sim_note(&stage->world, "%s is fenced", t->name);
        t->fenced = true;
    } else if (t->step == SIM_TELLER_PLAIN) {
        t->step = SIM_TELLER_REST; /* it is sent once: it has no sequence to tell it from its copy */
    } else if (in_transaction(t) && (!again || ++t->attempts > ATTEMPTS_MAX || loses_patience(t, outcome))) {
        abort_it(t);
    } else if (!again) {
        if (t->commit)
            sim_violation(&stage->verdict, "T0", "%s cannot commit transaction %u", t->name, t->txn);
        ended(t); /* there was nothing to abort */
    } else {
        sim_alarm_set(&stage->world, &t->alarm, now + (int64_t)kci_prng_below(&t->prng, AGAIN_US));
        return;
    }
    rest(t, now);
}

static void act(void *owner, int64_t now)
{
    struct sim_teller *t = owner;
    struct sim_stage *stage = t->all->stage;
    if (t->host->paused_until > now) {
        sim_alarm_set(&stage->world, &t->alarm, t->host->paused_until);
        return;
    }
    if (t->fenced || (t->step == SIM_TELLER_REST && t->last)) {
        end(t);
        return;
    }
    if (t->step == SIM_TELLER_REST)
        begin(t);
    if (!sim_teller_call(t, now))
        sim_alarm_set(&stage->world, &t->alarm, now + AGAIN_US);
    sim_host_wake(t->host);
}

/* ---- all of them ---- */

void sim_tellers_open(struct sim_tellers *all, struct sim_stage *stage)
{
    const struct sim_workload *w = &stage->workload;
    memset(all, 0, sizeof *all);
    all->stage = stage;
    all->prng = sim_stream(w->seed, 300);
    for (int32_t id = 0; id < w->txn_ids; id++) {
        for (int i = 0; i < 2; i++) {
            struct sim_teller *t = &all->each[id][i];
            t->all = all;
            t->id = id;
            t->prng = sim_stream(w->seed, 301 + 2 * (uint64_t)id + (uint64_t)i);
            t->settings = w->producer_settings;
            t->settings.client_id = "teller";
            t->alarm.fire = act;
            t->alarm.owner = t;
            snprintf(t->name, sizeof t->name, "t%d%c", (int)id % 10, "ab"[i]);
            snprintf(t->txn_id, sizeof t->txn_id, "till-%d", (int)id % 10);
            snprintf(t->group, sizeof t->group, "pipe-%d", (int)id % 10);
            t->host = sim_host_add(&stage->world, t->name, &t->transport);
        }
        all->turns[id] = (struct sim_turn){ all, id };
        all->turn[id].fire = turn;
        all->turn[id].owner = &all->turns[id];
        sim_alarm_set(&stage->world, &all->turn[id], stage->world.now);
    }
}

void sim_tellers_finish(struct sim_tellers *all)
{
    for (int32_t id = 0; id < all->stage->workload.txn_ids; id++) {
        sim_alarm_stop(&all->stage->world, &all->turn[id]);
        for (int i = 0; i < 2; i++) {
            struct sim_teller *t = &all->each[id][i];
            if (t->step == SIM_TELLER_GONE)
                continue;
            sim_host_pause(t->host, 0);
            t->last = true;
            if (!t->calling) /* it may be sleeping */
                sim_alarm_set(&all->stage->world, &t->alarm, all->stage->world.now);
            if (kci_prng_chance(&all->prng, 1, 3))
                end(t);
        }
    }
}

bool sim_tellers_done(struct sim_tellers *all, char *why, size_t size)
{
    for (int32_t id = 0; id < all->stage->workload.txn_ids; id++)
        for (int i = 0; i < 2; i++)
            if (all->each[id][i].step != SIM_TELLER_GONE) {
                snprintf(why, size, "%s is still in step %d", all->each[id][i].name, all->each[id][i].step);
                return false;
            }
    return true;
}

void sim_tellers_close(struct sim_tellers *all)
{
    for (int32_t id = 0; id < all->stage->workload.txn_ids; id++) {
        sim_alarm_stop(&all->stage->world, &all->turn[id]);
        for (int i = 0; i < 2; i++)
            end(&all->each[id][i]);
    }
}
