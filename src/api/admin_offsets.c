/* Committed offsets of a group as an administrator sees them: read, set, forgotten.
 *
 * All are asked as if for a group without members: what a member has in hand is its own business, and the coordinator
 * refuses to change it.  Reading uses versions up to 7: from 8 on, only the shape differs. */
#include "api/admin_handle.h"
#include "consumer/partition_list.h"
#include "runtime/runtime.h"

#include <stdlib.h>

struct offsets {
    kc_group_offsets view; /* first: what the user holds */
    struct kci_partition_list list;
};

static kc_err check(const kc_admin *admin, const char *group, const kc_topic_partition *items, size_t count,
                    bool offsets, kc_error *error)
{
    if (!admin || !group || !*group || (count && !items) || count > KCI_PARTITIONS_MAX)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "admin, group and at most %u partitions must be given",
                        KCI_PARTITIONS_MAX);
    for (size_t i = 0; i < count; i++)
        if (!items[i].topic || !*items[i].topic || items[i].partition < 0 || (offsets && items[i].offset < 0))
            return kci_fail(error, KC_ERR_ARGUMENT, 0, "entry %zu: topic, partition or offset is not valid", i);
    return KC_OK;
}

static int by_partition(const void *a, const void *b)
{
    const kc_topic_partition *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);
    return order ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

/* ---- reading ---- */

static int16_t fetch_verdict(const void *response)
{
    const struct kci_offset_fetch_response *r = response;
    return kci_error_flags(r->error_code) & KCI_ERROR_RETRIABLE ? r->error_code : (int16_t)KCI_NONE;
}

static struct offsets *copy_offsets(const struct kci_offset_fetch_response *r)
{
    struct kci_arena arena = kci_arena_of(kci_heap_alloc(), SIZE_MAX);
    struct offsets *offsets = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *offsets);
    size_t count = 0, used = 0;
    for (int32_t t = 0; t < r->topics_count; t++)
        count += (size_t)r->topics[t].partitions_count;
    kc_topic_partition *items = kci_arena_array(&arena, count, sizeof *items);
    bool ok = offsets && items;
    for (int32_t t = 0; ok && t < r->topics_count; t++) {
        const char *name = kci_arena_text(&arena, r->topics[t].name);
        for (int32_t p = 0; (ok = ok && name) && p < r->topics[t].partitions_count; p++) {
            const struct kci_offset_fetch_response__offset_fetch_response_partition *from = &r->topics[t].partitions[p];
            const char *metadata = kci_arena_text(&arena, from->metadata.data ? from->metadata : kci_str_of(""));
            ok = metadata;
            if (from->committed_offset >= 0 || from->error_code)
                items[used++] = (kc_topic_partition){
                    name,     from->partition_index,    from->committed_offset, from->committed_leader_epoch,
                    metadata, (kc_err)from->error_code,
                };
        }
    }
    if (ok && used)
        qsort(items, used, sizeof *items, by_partition);
    ok = ok && kci_partition_list_copy(kci_heap_alloc(), &offsets->list, items, used);
    kci_arena_destroy(&arena);
    if (!ok) {
        kci_alloc_free(kci_heap_alloc(), offsets);
        return NULL;
    }
    offsets->view.offsets = offsets->list.items;
    offsets->view.count = offsets->list.count;
    return offsets;
}

kc_err kc_admin_group_offsets(kc_admin *admin, const char *group, int32_t timeout_ms, kc_group_offsets **out,
                              kc_error *error)
{
    kc_err err = check(admin, group, NULL, 0, false, error);
    if (err == KC_OK && !out)
        err = kci_fail(error, KC_ERR_ARGUMENT, 0, "out must not be NULL");
    if (err != KC_OK)
        return err;
    *out = NULL;
    struct kci_offset_fetch_request request;
    kci_codec_init(&kci_offset_fetch_request_schema, &request);
    request.group_id = kci_str_of(group);
    request.topics_count = -1; /* all */
    struct kci_admin_op op = { .api = KCI_API_OFFSET_FETCH,
                               .version_min = 2,
                               .version_max = 7,
                               .group = group,
                               .request = &request,
                               .deadline = kci_admin_handle_deadline(timeout_ms),
                               .verdict = fetch_verdict };
    err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_offset_fetch_response *r = op.response;
        struct offsets *offsets = r->error_code == KCI_NONE ? copy_offsets(r) : NULL;
        if (offsets)
            *out = &offsets->view;
        else if (r->error_code != KCI_NONE)
            err = kci_fail(error, (kc_err)r->error_code, 0, "offsets of group %s: %s", group,
                           kci_error_text(r->error_code));
        else
            err = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while reading offsets");
    }
    kci_admin_op_free(&op);
    return err;
}

void kc_group_offsets_release(kc_group_offsets *view)
{
    struct offsets *offsets = (struct offsets *)(void *)view;
    if (!offsets)
        return;
    kci_partition_list_free(kci_heap_alloc(), &offsets->list);
    kci_alloc_free(kci_heap_alloc(), offsets);
}

/* ---- changing ---- */

static int by_place(const void *a, const void *b)
{
    return by_partition(*(kc_topic_partition *const *)a, *(kc_topic_partition *const *)b);
}

/* The entries in order of topic and partition, to find them when they are answered. NULL: no memory. */
static kc_topic_partition **index_of(kc_topic_partition *items, size_t count, struct kci_arena *arena)
{
    kc_topic_partition **index = kci_arena_array(arena, count, sizeof *index);
    for (size_t i = 0; index && i < count; i++)
        index[i] = &items[i];
    if (index)
        qsort(index, count, sizeof *index, by_place);
    return index;
}

/* Does the entry come before that partition (< 0), or behind it (> 0)? */
static int place_of(const kc_topic_partition *item, struct kci_str topic, int32_t partition)
{
    int order = kci_str_compare(kci_str_of(item->topic), topic);
    return order ? order : (item->partition > partition) - (item->partition < partition);
}

/* Store what was said of a partition; entries that were not spoken of keep UNKNOWN_SERVER_ERROR. */
static void note(kc_topic_partition **index, size_t count, struct kci_str topic, int32_t partition, int16_t code)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (place_of(index[middle], topic, partition) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && place_of(index[low], topic, partition) == 0; low++) /* it may have been named twice */
        index[low]->code = (kc_err)code;
}

static kc_err first_failure(const kc_topic_partition *items, size_t count, const char *verb, const char *group,
                            kc_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (items[i].code != KC_OK)
            return kci_fail(error, items[i].code, 0, "%s of group %s: %s [%d]: %s", verb, group, items[i].topic,
                            (int)items[i].partition, kc_err_text(items[i].code));
    return KC_OK;
}

static int16_t commit_verdict(const void *response)
{
    const struct kci_offset_commit_response *r = response;
    int16_t code = r->topics_count > 0 && r->topics[0].partitions_count > 0 ? r->topics[0].partitions[0].error_code
                                                                            : (int16_t)KCI_NONE;
    return code == KCI_NOT_COORDINATOR || code == KCI_COORDINATOR_NOT_AVAILABLE ||
                   code == KCI_COORDINATOR_LOAD_IN_PROGRESS
               ? code
               : KCI_NONE;
}

/* One topic entry for each partition: a coordinator takes that, and nobody sets a million offsets by hand. */
static kc_err commit(kc_admin *admin, const char *group, kc_topic_partition *items, size_t count, int64_t deadline,
                     struct kci_arena *arena, kc_error *error)
{
    struct kci_offset_commit_request request;
    kci_codec_init(&kci_offset_commit_request_schema, &request);
    request.group_id = kci_str_of(group);
    request.member_id = kci_str_of("");
    request.topics = kci_arena_array(arena, count, sizeof *request.topics);
    kc_topic_partition **index = index_of(items, count, arena);
    for (size_t i = 0; request.topics && i < count; i++) {
        struct kci_offset_commit_request__offset_commit_request_partition *to = kci_arena_take(arena, sizeof *to);
        if (!to)
            return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while setting offsets");
        kci_codec_init(&kci_offset_commit_request__offset_commit_request_partition_schema, to);
        to->partition_index = items[i].partition;
        to->committed_offset = items[i].offset;
        to->committed_leader_epoch = items[i].leader_epoch;
        to->committed_metadata = kci_str_of(items[i].metadata ? items[i].metadata : "");
        request.topics[i].name = kci_str_of(items[i].topic);
        request.topics[i].partitions = to;
        request.topics[i].partitions_count = 1;
    }
    if (!request.topics || !index)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while setting offsets");
    request.topics_count = (int32_t)count;
    struct kci_admin_op op = { .api = KCI_API_OFFSET_COMMIT,
                               .version_min = 2,
                               .version_max = 9,
                               .group = group,
                               .request = &request,
                               .deadline = deadline,
                               .verdict = commit_verdict };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    const struct kci_offset_commit_response *r = op.response;
    for (int32_t t = 0; err == KC_OK && t < r->topics_count; t++)
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++)
            note(index, count, r->topics[t].name, r->topics[t].partitions[p].partition_index,
                 r->topics[t].partitions[p].error_code);
    kci_admin_op_free(&op);
    return err == KC_OK ? first_failure(items, count, "setting offsets", group, error) : err;
}

kc_err kc_admin_set_group_offsets(kc_admin *admin, const char *group, kc_topic_partition *offsets, size_t count,
                                  int32_t timeout_ms, kc_error *error)
{
    kc_err err = check(admin, group, offsets, count, true, error);
    if (err != KC_OK || count == 0)
        return err;
    struct kci_arena arena = kci_arena_of(kci_heap_alloc(), SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        offsets[i].code = KC_ERR_UNKNOWN_SERVER_ERROR;
    err = commit(admin, group, offsets, count, kci_admin_handle_deadline(timeout_ms), &arena, error);
    kci_arena_destroy(&arena);
    return err;
}

static int16_t forget_verdict(const void *response)
{
    const struct kci_offset_delete_response *r = response;
    return kci_error_flags(r->error_code) & KCI_ERROR_RETRIABLE ? r->error_code : (int16_t)KCI_NONE;
}

static kc_err forget(kc_admin *admin, const char *group, kc_topic_partition *items, size_t count, int64_t deadline,
                     struct kci_arena *arena, kc_error *error)
{
    struct kci_offset_delete_request request;
    kci_codec_init(&kci_offset_delete_request_schema, &request);
    request.group_id = kci_str_of(group);
    request.topics = kci_arena_array(arena, count, sizeof *request.topics);
    struct kci_offset_delete_request__offset_delete_request_partition *numbers =
        kci_arena_array(arena, count, sizeof *numbers);
    kc_topic_partition **index = index_of(items, count, arena);
    if (!request.topics || !numbers || !index)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while deleting offsets");
    for (size_t i = 0; i < count; i++) {
        numbers[i].partition_index = items[i].partition;
        request.topics[i].name = kci_str_of(items[i].topic);
        request.topics[i].partitions = &numbers[i];
        request.topics[i].partitions_count = 1;
    }
    request.topics_count = (int32_t)count;
    struct kci_admin_op op = { .api = KCI_API_OFFSET_DELETE,
                               .group = group,
                               .request = &request,
                               .deadline = deadline,
                               .verdict = forget_verdict };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    const struct kci_offset_delete_response *r = op.response;
    if (err == KC_OK && r->error_code != KCI_NONE)
        err = kci_fail(error, (kc_err)r->error_code, 0, "deleting offsets of group %s: %s", group,
                       kci_error_text(r->error_code));
    for (int32_t t = 0; err == KC_OK && t < r->topics_count; t++)
        for (int32_t p = 0; p < r->topics[t].partitions_count; p++)
            note(index, count, r->topics[t].name, r->topics[t].partitions[p].partition_index,
                 r->topics[t].partitions[p].error_code);
    kci_admin_op_free(&op);
    return err == KC_OK ? first_failure(items, count, "deleting offsets", group, error) : err;
}

kc_err kc_admin_delete_group_offsets(kc_admin *admin, const char *group, kc_topic_partition *partitions, size_t count,
                                     int32_t timeout_ms, kc_error *error)
{
    kc_err err = check(admin, group, partitions, count, false, error);
    if (err != KC_OK || count == 0)
        return err;
    struct kci_arena arena = kci_arena_of(kci_heap_alloc(), SIZE_MAX);
    for (size_t i = 0; i < count; i++)
        partitions[i].code = KC_ERR_UNKNOWN_SERVER_ERROR;
    err = forget(admin, group, partitions, count, kci_admin_handle_deadline(timeout_ms), &arena, error);
    kci_arena_destroy(&arena);
    return err;
}
