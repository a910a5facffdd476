/* A coordinator knows what is in its log, also what is not committed yet: what it has just written for somebody else, or
 * what it found there when it took over.  All that may be lost with it.  So an answer that needs no record of its own
 * waits for those that are there, as in Kafka's coordinator: whoever hears it may rely on it.
 *
 * Left to others: answers that have records of their own, which wait for those (modern_write.c, group_commit.c). */
#include "mockbroker/core/group_settled.h"

#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_registry.h"

struct waiting {
    struct mb_group_write write; /* first: there is nothing to write, but the same end of it */
    struct mb_request *request;  /* parked */
    const void *response;        /* lives as long as the request */
};

static void over(struct mb_group_write *base, int16_t error, int64_t now)
{
    struct waiting *waiting = (struct waiting *)base;
    mb_group_answer(waiting->request, waiting->response, mb_group_answer_append_error(error), now);
    kci_alloc_free(base->alloc, waiting);
}

bool mb_group_settled(const struct mb_group *group)
{
    return mb_internal_settled(mb_group_cluster(group), kci_str_of(MB_OFFSETS_TOPIC), group->partition);
}

void mb_group_answer_settled(const struct mb_group *group, struct mb_request *request, const void *response,
                             int64_t now)
{
    if (!request || mb_group_settled(group)) {
        mb_group_answer(request, response, KCI_NONE, now);
        return;
    }
    struct waiting *waiting = kci_alloc_zero(mb_group_alloc(group), 1, sizeof *waiting);
    if (!waiting) {
        mb_group_answer(request, response, KCI_COORDINATOR_LOAD_IN_PROGRESS, now); /* it is to try again */
        return;
    }
    waiting->request = request;
    waiting->response = response;
    mb_group_write_begin(&waiting->write, group->owner, group->partition, over);
    mb_internal_settle(mb_group_cluster(group), kci_str_of(MB_OFFSETS_TOPIC), group->partition, mb_group_write_finish,
                       &waiting->write, now);
}
