/* A group of KIP-848 is changed in memory first and then in the log, and its member hears of it when the log has it:
 *
 *      heartbeat -> change -> records -> appended ... committed -> answer
 *                                            '... failed    -> the partition is read again, the member hears an error
 *
 * A heartbeat that changes nothing waits for what is under way (group_settled.c): its answer shows what may yet fail.
 * Records of one group are in the log in the order of its changes, so whoever takes over has a state that was. */
#include "mockbroker/core/modern_write.h"

#include "mockbroker/core/group_answer.h"
#include "mockbroker/core/group_settled.h"

struct write {
    struct mb_group_write write; /* first */
    struct mb_request *request;  /* parked; NULL: nobody waits */
    const void *response;        /* lives as long as the request */
};

static void done(struct mb_group_write *base, int16_t error, int64_t now)
{
    struct write *write = (struct write *)base;
    if (error && base->groups && base->groups->partitions[base->partition].loads == base->loads)
        mb_groups_reload(base->groups, base->partition, now);
    mb_group_answer(write->request, write->response, mb_group_answer_append_error(error), now);
    kci_alloc_free(base->alloc, write);
}

void mb_modern_write_failed(struct mb_group *group, struct mb_group_records *records, struct mb_request *request,
                            int64_t now)
{
    mb_group_records_discard(records);
    mb_groups_reload(group->owner, group->partition, now);
    mb_group_answer(request, NULL, KCI_COORDINATOR_LOAD_IN_PROGRESS, now);
}

void mb_modern_write(struct mb_group *group, struct mb_group_records *records, struct mb_request *request,
                     const void *response, int64_t now)
{
    if (mb_group_records_empty(records)) {
        mb_group_answer_settled(group, request, response, now);
        return;
    }
    struct write *write = kci_alloc_zero(mb_group_alloc(group), 1, sizeof *write);
    if (!write) {
        mb_modern_write_failed(group, records, request, now);
        return;
    }
    write->request = request;
    write->response = response;
    mb_group_write_begin(&write->write, group->owner, group->partition, done);
    mb_group_records_append(records, mb_group_cluster(group), group->partition, mb_group_write_finish, &write->write,
                            now);
}
