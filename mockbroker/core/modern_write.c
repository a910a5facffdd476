/* A group of KIP-848 is changed in memory first and then in the log, and its member hears of it when the log has it:
 *
 *      heartbeat -> change -> records -> appended ... committed -> answer
 *                                            '... failed    -> the partition is read again, the member hears an error
 *
 * A heartbeat that changes nothing while a change is under way waits for it: its answer shows what may yet fail.
 * Records of one group are in the log in the order of its changes, so whoever takes over has a state that was. */
#include "mockbroker/core/modern_write.h"

#include "mockbroker/core/group_answer.h"

struct write {
    struct mb_group_write write; /* first; unused by those that only wait */
    struct mb_request *request;  /* parked; NULL: nobody waits */
    const void *response;        /* lives as long as the request */
    struct kci_list in_group;    /* modern->writes, or the `followers` of another */
    struct kci_list followers;   /* struct write that have nothing to write */
};

static void answer(struct mb_request *request, const void *response, int16_t error, int64_t now)
{
    if (!request)
        return;
    if (!error) {
        mb_request_answer(request, response, now);
    } else if (request->header.api_key == KCI_API_JOIN_GROUP) {
        const struct kci_join_group_request *body = request->body;
        mb_group_answer_join_error(request, body->member_id, error, now);
    } else if (request->header.api_key == KCI_API_LEAVE_GROUP) {
        struct kci_leave_group_response failure = { .error_code = error };
        mb_request_answer(request, &failure, now);
    } else {
        struct kci_consumer_group_heartbeat_response failure = { .error_code = error,
                                                                 .error_message = kci_str_of(kci_error_text(error)) };
        mb_request_answer(request, &failure, now);
    }
}

static void done(struct mb_group_write *base, int16_t error, int64_t now)
{
    struct write *write = (struct write *)base;
    const struct kci_alloc *alloc = base->alloc;
    if (error && base->groups && base->groups->partitions[base->partition].loads == base->loads)
        mb_groups_reload(base->groups, base->partition, now);
    kci_list_remove(&write->in_group);
    error = mb_group_answer_append_error(error);
    answer(write->request, write->response, error, now);
    KCI_LIST_EACH(node, &write->followers)
    {
        struct write *follower = KCI_CONTAINER(node, struct write, in_group);
        kci_list_remove(node);
        answer(follower->request, follower->response, error, now);
        kci_alloc_free(alloc, follower);
    }
    kci_alloc_free(alloc, write);
}

void mb_modern_write_failed(struct mb_group *group, struct mb_group_records *records, struct mb_request *request,
                            int64_t now)
{
    mb_group_records_discard(records);
    mb_groups_reload(group->owner, group->partition, now);
    answer(request, NULL, KCI_COORDINATOR_LOAD_IN_PROGRESS, now);
}

void mb_modern_write(struct mb_group *group, struct mb_group_records *records, struct mb_request *request,
                     const void *response, int64_t now)
{
    struct kci_list *writes = group->modern ? &group->modern->writes : NULL;
    bool nothing_new = mb_group_records_empty(records);
    if (nothing_new && (!writes || kci_list_empty(writes) || !request)) {
        answer(request, response, KCI_NONE, now);
        return;
    }
    struct write *write = kci_alloc_zero(mb_group_alloc(group), 1, sizeof *write);
    if (!write) {
        mb_modern_write_failed(group, records, request, now);
        return;
    }
    write->request = request;
    write->response = response;
    kci_list_init(&write->followers);
    if (nothing_new) {
        kci_list_push(&KCI_CONTAINER(writes->prev, struct write, in_group)->followers, &write->in_group);
        return;
    }
    if (writes)
        kci_list_push(writes, &write->in_group);
    mb_group_write_begin(&write->write, group->owner, group->partition, done);
    mb_group_records_append(records, mb_group_cluster(group), group->partition, mb_group_write_finish, &write->write,
                            now);
}
