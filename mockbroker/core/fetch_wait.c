/* Fetches that wait for min_bytes or max_wait_ms.
 *
 * A waiting fetch hangs in the list of each of its partitions; when bytes become readable there, they are added to its
 * sum, and when the sum is enough the fetch moves to cluster->ready and is answered later in the step.  So an append
 * costs as much as there are waiters on that partition, and one answer carries all that a step has appended. */
#include "mockbroker/core/fetch.h"

static void make_ready(struct mb_fetch *fetch)
{
    if (!kci_list_linked(&fetch->ready))
        kci_list_push(&fetch->request->cluster->ready, &fetch->ready);
}

static void timeout_fires(void *owner, int64_t now)
{
    (void)now;
    make_ready(owner);
}

static void connection_closed(struct mb_request *request, int64_t now)
{
    (void)now;
    make_ready(request->parked);
}

void mb_fetch_wait_begin(struct mb_fetch *fetch, int64_t now)
{
    struct mb_request *request = fetch->request;
    const struct kci_fetch_request *body = request->body;
    for (size_t i = 0; i < fetch->node_count; i++) {
        struct mb_partition *partition = mb_fetch_check(&fetch->nodes[i]);
        if (partition)
            kci_list_push(&partition->fetches, &fetch->nodes[i].link);
    }
    request->parked = fetch;
    request->on_close = connection_closed;
    fetch->timeout.fire = timeout_fires;
    fetch->timeout.owner = fetch;
    mb_alarm_set(request->cluster, &fetch->timeout, now + (int64_t)body->max_wait_ms * 1000);
}

void mb_fetch_wait_bytes(struct mb_partition *partition, uint64_t uncommitted, uint64_t committed)
{
    KCI_LIST_EACH(link, &partition->fetches)
    {
        struct mb_fetch_node *node = KCI_CONTAINER(link, struct mb_fetch_node, link);
        struct mb_fetch *fetch = node->fetch;
        if (fetch->request->broker != partition->leader)
            continue;
        const struct kci_fetch_request *body = fetch->request->body;
        uint64_t bytes = body->isolation_level == 1 ? committed : uncommitted;
        if (!bytes)
            continue;
        uint64_t room = (uint64_t)node->bytes_max - node->readable;
        uint64_t more = bytes < room ? bytes : room;
        node->readable += more;
        fetch->readable += more;
        if (fetch->readable >= fetch->enough)
            make_ready(fetch);
    }
}

void mb_fetch_wait_follower(struct mb_partition *partition, int32_t broker)
{
    KCI_LIST_EACH(link, &partition->fetches)
    {
        struct mb_fetch *fetch = KCI_CONTAINER(link, struct mb_fetch_node, link)->fetch;
        if (fetch->request->broker == broker)
            make_ready(fetch);
    }
}

void mb_fetch_wait_break(struct mb_partition *partition)
{
    KCI_LIST_EACH(link, &partition->fetches)
    make_ready(KCI_CONTAINER(link, struct mb_fetch_node, link)->fetch);
}

bool mb_fetch_wait_run(struct mb_cluster *cluster, int64_t now)
{
    struct kci_list *link;
    bool any = false;
    while ((link = kci_list_pop(&cluster->ready)) != NULL) {
        struct mb_fetch *fetch = KCI_CONTAINER(link, struct mb_fetch, ready);
        for (size_t i = 0; i < fetch->node_count; i++)
            kci_list_remove(&fetch->nodes[i].link);
        mb_alarm_stop(cluster, &fetch->timeout);
        fetch->request->on_close = NULL;
        mb_fetch_complete(fetch, now);
        any = true;
    }
    return any;
}
