/* The transaction coordinator: which transactional ids there are, and which broker answers for them.
 *
 * A transactional id belongs to one partition of __transaction_state, its home, and the broker that leads it is the
 * coordinator.  As with groups (group_registry.c) there is one registry for all brokers, and a move of leadership is
 * true all the same: what was in memory is dropped, and the new leader rebuilds it from *its* log.
 *
 *   change:  pending  --append, committed-->  applied in memory  --> done(0)
 *               '---- no leader, no replicas, moved ---------------> done(error), memory as before
 *   load:    log read into memory  --all of it committed-->  loaded: requests are answered, markers written
 *               '---- no memory, or it cannot be known ----------->  again after LOAD_RETRY_MS
 *
 * Who takes over may find records that are not committed and may yet be lost with it.  What an answer or a marker were to
 * rest on them would be wrong then (a partition "is in the transaction", and the next coordinator does not know it: it
 * gets no marker), so the home is loaded when they count; clients hear COORDINATOR_LOAD_IN_PROGRESS until then.
 *
 * Invariants: a transactional id in by_id belongs to a loaded home (or to the one that is being loaded); an append that
 * began before a home was loaded anew never changes what was loaded (`loads`); while one is pending there is no
 * second. */
#include "mockbroker/core/txn_registry.h"

#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/java_string.h"
#include "mockbroker/core/txn_records.h"

#include <assert.h>

#define LOAD_RETRY_MS 100
#define HOMES_MAX     100000 /* partitions of __transaction_state */

struct mb_txn_write {
    struct kci_list link; /* in txns->writes */
    struct mb_txns *txns; /* NULL: the coordinator is gone */
    const struct kci_alloc *alloc;
    struct mb_txn *txn; /* valid while its home was not loaded anew */
    int32_t home;
    uint32_t loads; /* of the home when it began */
    struct mb_txn_change change;
    void (*done)(void *owner, int16_t error, int64_t now);
    void *owner;
};

struct loading {          /* a home whose log was read, and is not all committed */
    struct kci_list link; /* in txns->loadings */
    struct mb_txns *txns; /* NULL: the coordinator is gone */
    const struct kci_alloc *alloc;
    int32_t home;
    uint32_t loads; /* of the home when it was read */
};

static void load_again(void *owner, int64_t now);

struct mb_txns *mb_txns_create(struct mb_cluster *cluster)
{
    const struct kci_alloc *alloc = mb_cluster_alloc(cluster);
    struct mb_txns *txns = kci_alloc_zero(alloc, 1, sizeof *txns);
    if (!txns)
        return NULL;
    txns->cluster = cluster;
    txns->alloc = alloc;
    txns->by_id = kci_map_of(alloc, kci_prng_next(mb_cluster_prng(cluster)));
    txns->load_alarm.fire = load_again;
    txns->load_alarm.owner = txns;
    kci_list_init(&txns->writes);
    kci_list_init(&txns->loadings);
    return txns;
}

struct mb_txns *mb_cluster_transactions(struct mb_cluster *cluster)
{
    return cluster->transactions;
}

int64_t mb_txns_new_producer_id(struct mb_txns *txns)
{
    mb_controller_changed(txns->cluster); /* ids must not be given out again after a restart */
    return txns->cluster->next_producer_id++;
}

static void unload(struct mb_txns *txns, int32_t home)
{
    const struct kci_map_entry *entry;
    for (size_t at = 0; (entry = kci_map_next(&txns->by_id, &at));) {
        struct mb_txn *txn = entry->value;
        if (txn->partition != home && home >= 0)
            continue;
        kci_map_remove(&txns->by_id, txn->id.data, txn->id.size);
        mb_txn_destroy(txn);
    }
}

void mb_txns_destroy(struct mb_txns *txns, int64_t now)
{
    (void)now;
    if (!txns)
        return;
    KCI_LIST_EACH(node, &txns->writes)
    {
        KCI_CONTAINER(node, struct mb_txn_write, link)->txns = NULL;
        kci_list_remove(node);
    }
    KCI_LIST_EACH(node, &txns->loadings)
    {
        KCI_CONTAINER(node, struct loading, link)->txns = NULL;
        kci_list_remove(node);
    }
    unload(txns, -1);
    struct mb_alarm *alarms[] = { &txns->load_alarm, &txns->marker_alarm, &txns->timeout_alarm, &txns->expiry_alarm };
    for (size_t i = 0; i < sizeof alarms / sizeof alarms[0]; i++)
        mb_alarm_stop(txns->cluster, alarms[i]);
    kci_map_destroy(&txns->by_id);
    kci_alloc_free(txns->alloc, txns->homes);
    kci_alloc_free(txns->alloc, txns);
}

int32_t mb_txns_home_of(const struct mb_txns *txns, struct kci_str id)
{
    int32_t count = mb_cluster_topic_partitions(txns->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC));
    if (count <= 0)
        count = (int32_t)mb_cluster_property(txns->cluster, "transaction.state.log.num.partitions");
    return (mb_java_string_hash(id) & INT32_MAX) % count;
}

int16_t mb_txns_ready(struct mb_cluster *cluster, struct kci_str id, int64_t now)
{
    const struct mb_txns *txns = cluster->transactions;
    int32_t home = mb_txns_home_of(txns, id);
    int32_t leader = mb_internal_leader(cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), home, now);
    if (leader < 0)
        return KCI_COORDINATOR_NOT_AVAILABLE;
    if (home >= txns->home_count || txns->homes[home].broker != leader || !txns->homes[home].loaded)
        return KCI_COORDINATOR_LOAD_IN_PROGRESS;
    return KCI_NONE;
}

int16_t mb_txns_route(const struct mb_request *request, struct kci_str id, int64_t now)
{
    struct mb_cluster *cluster = request->cluster;
    int32_t home = mb_txns_home_of(cluster->transactions, id);
    bool looks = request->header.api_key == KCI_API_DESCRIBE_TRANSACTIONS;
    if (!mb_authorize(request, looks ? MB_ACL_DESCRIBE : MB_ACL_WRITE, MB_ACL_TRANSACTIONAL_ID, id))
        return KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (mb_internal_leader(cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), home, now) != request->broker)
        return KCI_NOT_COORDINATOR;
    return mb_txns_ready(cluster, id, now);
}

struct mb_txn *mb_txns_find(const struct mb_txns *txns, struct kci_str id)
{
    return kci_map_get_str(&txns->by_id, id);
}

struct mb_txn *mb_txns_obtain(struct mb_txns *txns, struct kci_str id)
{
    struct mb_txn *txn = mb_txns_find(txns, id);
    if (txn || txns->by_id.count >= MB_TXNS_MAX)
        return txn;
    txn = mb_txn_create(txns, id, mb_txns_home_of(txns, id));
    if (!txn || kci_map_set(&txns->by_id, txn->id.data, txn->id.size, txn))
        return txn;
    mb_txn_destroy(txn);
    return NULL;
}

/* Expired: it becomes Dead and is freed. */
static void remove_txn(struct mb_txn *txn)
{
    kci_map_remove(&txn->owner->by_id, txn->id.data, txn->id.size);
    mb_txn_move(txn, MB_TXN_DEAD);
    mb_txn_destroy(txn);
}

/* ---- leadership
 * ------------------------------------------------------------------------------------------------------ */

static bool grow(struct mb_txns *txns, int32_t count)
{
    struct mb_txn_home *homes = kci_alloc_resize(txns->alloc, txns->homes, (size_t)count * sizeof *homes);
    if (!homes)
        return false;
    for (int32_t i = txns->home_count; i < count; i++)
        homes[i] = (struct mb_txn_home){ .broker = -1 };
    txns->homes = homes;
    txns->home_count = count;
    return true;
}

static void loaded(struct mb_txns *txns, int32_t home, int64_t now)
{
    txns->homes[home].loaded = true;
    if (!txns->by_id.count)
        return;
    mb_txn_markers_later(txns, now);
    mb_txn_timeout_arm(txns, now);
}

static void settled(void *owner, int16_t error, int64_t now)
{
    struct loading *loading = owner;
    struct mb_txns *txns = loading->txns;
    kci_list_remove(&loading->link);
    bool current = txns && txns->homes[loading->home].loads == loading->loads;
    if (current && !error)
        loaded(txns, loading->home, now);
    else if (current)
        mb_alarm_set(txns->cluster, &txns->load_alarm, now + LOAD_RETRY_MS * 1000);
    kci_alloc_free(loading->alloc, loading);
}

static void load(struct mb_txns *txns, int32_t home, int64_t now)
{
    unload(txns, home);
    txns->homes[home].loads++;
    bool read = mb_txn_load(txns, home);
    if (read && mb_internal_settled(txns->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), home)) {
        loaded(txns, home, now);
        return;
    }
    struct loading *loading = read ? kci_alloc_new(txns->alloc, sizeof *loading) : NULL;
    if (!loading) {
        unload(txns, home);
        mb_alarm_set(txns->cluster, &txns->load_alarm, now + LOAD_RETRY_MS * 1000);
        return;
    }
    *loading = (struct loading){ .txns = txns, .alloc = txns->alloc, .home = home, .loads = txns->homes[home].loads };
    kci_list_push(&txns->loadings, &loading->link);
    mb_internal_settle(txns->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), home, settled, loading, now);
}

static void load_again(void *owner, int64_t now)
{
    struct mb_txns *txns = owner;
    int32_t untold = txns->untold;
    txns->untold = 0;
    for (int32_t i = txns->home_count; i < untold; i++)
        mb_txns_on_leader(txns, i, mb_internal_leader(txns->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), i, now), now);
    for (int32_t i = 0; i < txns->home_count; i++)
        if (txns->homes[i].broker >= 0 && !txns->homes[i].loaded)
            load(txns, i, now);
}

/* Memory no longer agrees with the log: read it again. */
static void reload(struct mb_txns *txns, int32_t home, int64_t now)
{
    txns->homes[home].loaded = false; /* until then, requests hear COORDINATOR_LOAD_IN_PROGRESS */
    mb_alarm_set(txns->cluster, &txns->load_alarm, now);
}

void mb_txns_on_leader(struct mb_txns *txns, int32_t home, int32_t broker, int64_t now)
{
    assert(home >= 0 && home < HOMES_MAX);
    if (home >= txns->home_count && !grow(txns, home + 1)) {
        kci_log(mb_cluster_logger(txns->cluster), KCI_LOG_ERROR, "transaction", "no memory for %s-%d",
                MB_TRANSACTIONS_TOPIC, (int)home);
        txns->untold = home + 1 > txns->untold ? home + 1 : txns->untold;
        mb_alarm_set(txns->cluster, &txns->load_alarm, now + LOAD_RETRY_MS * 1000);
        return;
    }
    unload(txns, home);
    txns->homes[home].broker = broker;
    txns->homes[home].loaded = false;
    txns->homes[home].loads++;
    if (broker >= 0)
        load(txns, home, now);
}

void mb_txns_forget(struct mb_txns *txns, int64_t now)
{
    for (int32_t i = 0; i < txns->home_count; i++)
        mb_txns_on_leader(txns, i, -1, now);
}

/* ---- changes
 * --------------------------------------------------------------------------------------------------------- */

struct mb_txn_change mb_txn_change_of(const struct mb_txn *txn, enum mb_txn_state state, int64_t now)
{
    struct mb_txn_change change = { .state = (int)state, .meta = txn->meta };
    change.meta.updated_ms = mb_cluster_wall_ms(txn->owner->cluster, now);
    return change;
}

static void free_added(const struct kci_alloc *alloc, struct mb_txn_change *change)
{
    for (size_t i = 0; i < change->added_count; i++)
        kci_alloc_free(alloc, change->added[i]);
    kci_alloc_free(alloc, change->added);
    change->added = NULL;
    change->added_count = 0;
}

/* False: no memory. */
static bool apply(struct mb_txn *txn, struct mb_txn_change *change)
{
    bool ok = true;
    txn->meta = change->meta;
    if (change->clear)
        mb_txn_clear(txn);
    for (size_t i = 0; i < change->added_count; i++) {
        ok &= mb_txn_add(txn, change->added[i]);
        change->added[i] = NULL;
    }
    if (ok)
        mb_txn_move(txn, (enum mb_txn_state)change->state);
    return ok;
}

static void written(void *owner, int16_t error, int64_t now)
{
    struct mb_txn_write *write = owner;
    struct mb_txns *txns = write->txns;
    kci_list_remove(&write->link);
    bool current = txns && txns->homes[write->home].loaded && txns->homes[write->home].loads == write->loads;
    if (!current && error == KCI_NONE)
        error = KCI_NOT_LEADER_OR_FOLLOWER;
    if (current)
        write->txn->pending = -1;
    if (current && !error && !apply(write->txn, &write->change)) {
        reload(txns, write->home, now);
        error = KCI_COORDINATOR_NOT_AVAILABLE;
    }
    void (*done)(void *owner, int16_t error, int64_t now) = write->done;
    void *waiting = write->owner;
    free_added(write->alloc, &write->change);
    kci_alloc_free(write->alloc, write);
    if (done)
        done(waiting, mb_group_answer_append_error(error), now);
}

void mb_txn_write(struct mb_txn *txn, struct mb_txn_change *change,
                  void (*done)(void *owner, int16_t error, int64_t now), void *owner, int64_t now)
{
    struct mb_txns *txns = txn->owner;
    struct mb_txn_write *write = kci_alloc_zero(txns->alloc, 1, sizeof *write);
    struct kci_writer w = kci_writer_of(txns->alloc, MB_TXN_RECORD_BYTES);
    size_t key_size = mb_txn_record_write(&w, txn, change);
    assert(txn->pending < 0 || txn->pending == MB_TXN_PREPARE_EPOCH_FENCE);
    if (!write || w.failed) {
        free_added(txns->alloc, change);
        kci_alloc_free(txns->alloc, write);
        kci_writer_destroy(&w);
        txn->pending = -1;
        if (done)
            done(owner, KCI_COORDINATOR_NOT_AVAILABLE, now);
        return;
    }
    int32_t home = txn->partition;
    *write = (struct mb_txn_write){ .txns = txns, .alloc = txns->alloc, .txn = txn, .home = home, .change = *change };
    write->loads = txns->homes[home].loads;
    write->done = done;
    write->owner = owner;
    if (txn->pending < 0)
        txn->pending = change->state;
    kci_list_push(&txns->writes, &write->link);
    struct kci_record record = { .timestamp_ms = change->meta.updated_ms,
                                 .key = { w.data, key_size },
                                 .value = { w.data + key_size, w.size - key_size } };
    mb_internal_append(txns->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), home, NULL, &record, 1, written, write, now);
    kci_writer_destroy(&w);
}

static void nobody_waits(void *owner, int16_t error, int64_t now)
{
    (void)owner, (void)error, (void)now; /* a deletion that is lost is made again after the next load */
}

void mb_txn_write_expired(struct mb_txn *txn, int64_t now)
{
    struct mb_txns *txns = txn->owner;
    struct kci_writer w = kci_writer_of(txns->alloc, MB_TXN_RECORD_BYTES);
    int32_t home = txn->partition;
    mb_txn_record_key(&w, txn->id);
    struct kci_record record = { .timestamp_ms = mb_cluster_wall_ms(txns->cluster, now), .key = { w.data, w.size } };
    if (!w.failed) {
        remove_txn(txn);
        mb_internal_append(txns->cluster, kci_str_of(MB_TRANSACTIONS_TOPIC), home, NULL, &record, 1, nobody_waits, NULL,
                           now);
    }
    kci_writer_destroy(&w);
}
