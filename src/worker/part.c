/* The partitions of a worker: their coming and going, and when they are paused.
 *
 *      on_assigned --> in `parts` --on_revoked--> drained: hands finish what is open, for drain_ms --> committed --> let go
 *                                 --on_lost-----> dropped: another member has them already --------------> let go
 *
 * Let go means: not ours any more, freed when the last job is back.  Nothing of a partition is dealt once it has left
 * `parts`, and what was fetched before it came (back) is stale.
 *
 * A partition is paused while it has more than its share of the jobs open (until half of that is left), while records
 * wait that were fetched and not dealt, and while a retry topic is not due. */
#include "worker/internal.h"

#define DRAIN_COMMIT_US 5000000 /* for the commit when partitions are revoked: the group waits for it */

/* ---- finding ---- */

static size_t name_of(char *name, const char *topic, int32_t partition)
{
    size_t size = strlen(topic);
    size = size < KCI_TOPIC_NAME_MAX ? size : KCI_TOPIC_NAME_MAX;
    memcpy(name, topic, size);
    name[size] = 0;
    memcpy(name + size + 1, &partition, sizeof partition);
    return size + 1 + sizeof partition;
}

struct kci_part *kci_part_find(kc_worker *worker, const char *topic, int32_t partition)
{
    char name[KCI_TOPIC_NAME_MAX + 1 + sizeof partition];
    struct kci_part *last = worker->last_part;
    if (last && last->partition == partition && strcmp(last->topic, topic) == 0)
        return last;
    worker->last_part = kci_map_get(&worker->by_name, name, name_of(name, topic, partition));
    return worker->last_part;
}

/* ---- coming and going ---- */

static void free_part(struct kci_part *part)
{
    kci_list_remove(&part->link);
    kci_alloc_free(kci_heap_alloc(), part->topic);
    kci_alloc_free(kci_heap_alloc(), part);
}

static int32_t delay_of(const struct kci_worker_settings *s, const char *topic)
{
    for (size_t i = 0; i < s->retry_count; i++)
        if (s->retries[i].topic && strcmp(s->retries[i].topic, topic) == 0)
            return s->retries[i].delay_ms;
    return -1;
}

static bool add_part(kc_worker *worker, const char *topic, int32_t partition)
{
    char name[KCI_TOPIC_NAME_MAX + 1 + sizeof partition];
    size_t size = strlen(topic) + 1;
    struct kci_part *part = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *part);
    if (part && (part->topic = kci_alloc_new(kci_heap_alloc(), size)) != NULL) {
        memcpy(part->topic, topic, size);
        part->partition = partition;
        part->delay_ms = delay_of(&worker->settings, topic);
        part->progress = kci_progress_of();
        part->dealt_to = -1;
        part->committed = -1;
        part->stale_through = worker->lot_number;
        if (kci_map_set(&worker->by_name, name, name_of(name, topic, partition), part)) {
            kci_list_push(&worker->parts, &part->link);
            worker->part_count++;
            return true;
        }
        kci_alloc_free(kci_heap_alloc(), part->topic);
    }
    kci_alloc_free(kci_heap_alloc(), part);
    return false;
}

static void on_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    kc_worker *worker = context;
    for (size_t i = 0; i < count; i++)
        if (!kci_part_find(worker, partitions[i].topic, partitions[i].partition) &&
            !add_part(worker, partitions[i].topic, partitions[i].partition))
            kci_worker_fail(worker, KC_ERR_NO_MEMORY, "out of memory while taking a partition over");
}

/* Out of `parts`, into a list of the caller. */
static void take_out(kc_worker *worker, struct kci_part *part, struct kci_list *into)
{
    char name[KCI_TOPIC_NAME_MAX + 1 + sizeof part->partition];
    kci_map_remove(&worker->by_name, name, name_of(name, part->topic, part->partition));
    worker->last_part = NULL;
    worker->part_count--;
    kci_list_remove(&part->link);
    kci_list_push(into, &part->link);
}

/* ---- collecting and draining ---- */

static void collect(kc_worker *worker, struct kci_part *part)
{
    for (struct kci_mark *mark; (mark = kci_progress_advance(&part->progress)) != NULL;) {
        struct kci_job *job = KCI_CONTAINER(mark, struct kci_job, mark);
        job->next = worker->free_jobs;
        worker->free_jobs = job;
        worker->free_count++;
    }
}

/* Returns how many jobs are open. */
static size_t collect_list(kc_worker *worker, struct kci_list *list)
{
    size_t open = 0;
    KCI_LIST_EACH(node, list)
    {
        struct kci_part *part = KCI_CONTAINER(node, struct kci_part, link);
        collect(worker, part);
        open += part->progress.open;
    }
    return open;
}

static void let_go(struct kci_list *list)
{
    KCI_LIST_EACH(node, list)
    {
        struct kci_part *part = KCI_CONTAINER(node, struct kci_part, link);
        if (part->progress.open == 0)
            free_part(part);
    }
}

size_t kci_parts_collect(kc_worker *worker)
{
    size_t open = collect_list(worker, &worker->parts);
    collect_list(worker, &worker->leaving);
    let_go(&worker->leaving);
    return open;
}

static void drop(kc_worker *worker, struct kci_list *list)
{
    KCI_LIST_EACH(node, list)
    atomic_store(&KCI_CONTAINER(node, struct kci_part, link)->dropped, true);
    for (uint32_t i = 0; i < worker->settings.threads; i++)
        kci_gate_open(worker->hands[i].gate); /* who waits to try again need not */
}

/* Of the time that close has, the part for what is open; the rest is for the commit and the leave. */
static int64_t drain_limit(const kc_worker *worker, int64_t began, int64_t until)
{
    if (!atomic_load(&worker->closing))
        return until;
    int64_t left = atomic_load(&worker->close_at) - began;
    int64_t closing = began + left / 4 * 3;
    return closing < until ? closing : until;
}

/* Wait until nothing of these partitions is open, or the time is over; what no hand has begun then is dropped. */
static void drain(kc_worker *worker, struct kci_list *list, int64_t until)
{
    int64_t began = kci_clock_us();
    atomic_store(&worker->draining, true);
    for (;;) {
        uint64_t seen = kci_gate_now(worker->gate);
        int64_t limit = drain_limit(worker, began, until);
        if (collect_list(worker, list) == 0 || kci_clock_us() >= limit)
            break;
        kci_gate_wait(worker->gate, seen, limit);
    }
    atomic_store(&worker->draining, false);
    drop(worker, list);
}

static void leave(kc_worker *worker, struct kci_list *list)
{
    let_go(list);
    for (struct kci_list *node; (node = kci_list_pop(list)) != NULL;)
        kci_list_push(&worker->leaving, node);
}

static void take_all(kc_worker *worker, const kc_topic_partition *partitions, size_t count, struct kci_list *into)
{
    kci_list_init(into);
    for (size_t i = 0; i < count; i++) {
        struct kci_part *part = kci_part_find(worker, partitions[i].topic, partitions[i].partition);
        if (part)
            take_out(worker, part, into);
    }
}

static void on_revoked(void *context, const kc_topic_partition *partitions, size_t count)
{
    kc_worker *worker = context;
    struct kci_list going;
    take_all(worker, partitions, count, &going);
    if (kci_list_empty(&going))
        return;
    drain(worker, &going, kci_clock_us() + (int64_t)worker->settings.drain_ms * 1000);
    kci_poll_commit_now(worker, &going, kci_clock_us() + DRAIN_COMMIT_US);
    leave(worker, &going);
}

static void on_lost(void *context, const kc_topic_partition *partitions, size_t count)
{
    kc_worker *worker = context;
    struct kci_list gone;
    take_all(worker, partitions, count, &gone);
    drop(worker, &gone);
    collect_list(worker, &gone);
    leave(worker, &gone);
}

kc_rebalance_listener kci_parts_listener(kc_worker *worker)
{
    return (kc_rebalance_listener){ worker, on_assigned, on_revoked, on_lost };
}

void kci_parts_release_all(kc_worker *worker)
{
    struct kci_list all;
    kci_list_init(&all);
    KCI_LIST_EACH(node, &worker->parts)
    take_out(worker, KCI_CONTAINER(node, struct kci_part, link), &all);
    drop(worker, &all);
    leave(worker, &all);
}

void kci_parts_free(kc_worker *worker)
{
    for (struct kci_list *node; (node = kci_list_first(&worker->parts)) != NULL;)
        free_part(KCI_CONTAINER(node, struct kci_part, link));
    for (struct kci_list *node; (node = kci_list_first(&worker->leaving)) != NULL;)
        free_part(KCI_CONTAINER(node, struct kci_part, link));
    kci_map_destroy(&worker->by_name);
}

struct kci_part *kci_part_restart(kc_worker *worker, struct kci_part *part, uint64_t lot_number)
{
    struct kci_list old;
    kci_list_init(&old);
    take_out(worker, part, &old);
    drop(worker, &old);
    bool paused = part->paused;
    struct kci_part *anew =
        add_part(worker, part->topic, part->partition) ? kci_part_find(worker, part->topic, part->partition) : NULL;
    if (anew) {
        anew->stale_through = lot_number - 1;
        anew->paused = paused;
    } else {
        kci_worker_fail(worker, KC_ERR_NO_MEMORY, "out of memory while a partition begins anew");
    }
    leave(worker, &old);
    return anew;
}

/* ---- pausing ---- */

static bool should_rest(const kc_worker *worker, struct kci_part *part, size_t share, int64_t now)
{
    part->crowded = part->progress.open >= (part->crowded ? share / 2 + 1 : share);
    return worker->ending || worker->lots || part->crowded || now < part->due_us;
}

void kci_parts_update(kc_worker *worker, int64_t now)
{
    size_t share = worker->settings.open_records / (worker->part_count ? worker->part_count : 1);
    uint64_t paused = 0;
    KCI_LIST_EACH(node, &worker->parts)
    {
        struct kci_part *part = KCI_CONTAINER(node, struct kci_part, link);
        bool rest = should_rest(worker, part, share ? share : 1, now);
        kc_topic_partition one = { .topic = part->topic, .partition = part->partition, .leader_epoch = -1 };
        /* one that is about to be revoked is not in the assignment any more: its turn comes with the callback */
        if (rest != part->paused && (rest ? kc_consumer_pause(worker->consumer, &one, 1, NULL)
                                          : kc_consumer_resume(worker->consumer, &one, 1, NULL)) == KC_OK)
            part->paused = rest;
        paused += part->paused;
    }
    atomic_store_explicit(&worker->paused_now, paused, memory_order_relaxed);
    atomic_store_explicit(&worker->parts_now, worker->part_count, memory_order_relaxed);
}

int64_t kci_parts_deadline(const kc_worker *worker)
{
    int64_t at = KCI_NEVER;
    KCI_LIST_EACH(node, &worker->parts)
    {
        const struct kci_part *part = KCI_CONTAINER(node, struct kci_part, link);
        if (part->paused && part->due_us && part->due_us < at && !part->crowded && !worker->lots)
            at = part->due_us;
    }
    return at;
}
