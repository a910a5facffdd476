/* Groups as an administrator sees them: listed, described, deleted.
 *
 * What is handed out is one block: a struct with an arena that holds all it points to.  A list is the answers of all
 * brokers.  A description is asked for in the KIP-848 way first, and then in the classic one, as Kafka's own tools do:
 * nothing but the answer says which kind of group it is. */
#include "api/admin_handle.h"
#include "api/group_copy.h"
#include "runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)256 << 20) /* of one list or description */

static int16_t group_verdict(int16_t code)
{
    return kci_error_flags(code) & KCI_ERROR_RETRIABLE ? code : KCI_NONE;
}

static kc_err refuse(kc_error *error, const char *verb, const char *group, int16_t code, struct kci_str message)
{
    return code == KCI_NONE
               ? KC_OK
               : kci_fail(error, (kc_err)code, 0, "%s group %s: %s: %.*s", verb, group, kci_error_name(code),
                          (int)(message.size ? message.size : strlen(kci_error_text(code))),
                          message.size ? message.data : kci_error_text(code));
}

static kc_err check(const kc_admin *admin, const char *group, const void *out, kc_error *error)
{
    if (!admin || !group || !*group || !out)
        return kci_fail(error, KC_ERR_ARGUMENT, 0, "admin, group and what is asked for must be given");
    return KC_OK;
}

/* ---- list ---- */

struct listed {
    kc_group_list view; /* first: what the user holds */
    struct kci_arena arena;
    kc_group_listing *groups; /* owned, apart from their texts: it grows broker by broker */
};

static int16_t list_verdict(const void *response)
{
    return group_verdict(((const struct kci_list_groups_response *)response)->error_code);
}

static bool take_list(struct listed *listed, const struct kci_list_groups_response *r, int32_t broker)
{
    size_t count = r->groups_count > 0 ? (size_t)r->groups_count : 0;
    kc_group_listing *groups =
        kci_alloc_resize(kci_heap_alloc(), listed->groups, (listed->view.count + count + 1) * sizeof *groups);
    if (!groups)
        return false;
    listed->groups = groups;
    listed->view.groups = groups;
    for (size_t i = 0; i < count; i++)
        groups[listed->view.count++] =
            (kc_group_listing){ kci_group_copy_text(&listed->arena, r->groups[i].group_id),
                                kci_group_copy_text(&listed->arena, r->groups[i].group_type),
                                kci_group_copy_text(&listed->arena, r->groups[i].group_state),
                                kci_group_copy_text(&listed->arena, r->groups[i].protocol_type), broker };
    return !listed->arena.failed;
}

static kc_err list_broker(kc_admin *admin, struct listed *listed, int32_t broker, int64_t deadline, kc_error *error)
{
    struct kci_list_groups_request request;
    kci_codec_init(&kci_list_groups_request_schema, &request);
    struct kci_admin_op op = { .api = KCI_API_LIST_GROUPS,
                               .version_max = 5,
                               .node = broker,
                               .request = &request,
                               .deadline = deadline,
                               .verdict = list_verdict };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_list_groups_response *r = op.response;
        err = r->error_code != KCI_NONE ? kci_fail(error, (kc_err)r->error_code, 0, "groups of broker %d: %s",
                                                   (int)broker, kci_error_text(r->error_code))
              : take_list(listed, r, broker)
                  ? KC_OK
                  : kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while listing groups");
    }
    kci_admin_op_free(&op);
    return err;
}

static int by_group(const void *a, const void *b)
{
    return strcmp(((const kc_group_listing *)a)->group, ((const kc_group_listing *)b)->group);
}

static kc_err list_groups(kc_admin *admin, int32_t timeout_ms, kc_group_list **out, kc_error *error)
{
    int64_t deadline = kci_admin_handle_deadline(timeout_ms);
    static const char *const none[] = { "" };
    kc_cluster *cluster;
    kc_err err = kc_admin_describe(admin, none, 0, timeout_ms, &cluster, error);
    if (err != KC_OK)
        return err;
    struct listed *listed = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *listed);
    if (!listed)
        err = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while listing groups");
    else
        listed->arena = kci_arena_of(kci_heap_alloc(), ARENA_BYTES);
    for (size_t i = 0; err == KC_OK && i < cluster->broker_count; i++)
        err = list_broker(admin, listed, cluster->brokers[i].id, deadline, error);
    kc_cluster_release(cluster);
    if (err != KC_OK) {
        kc_group_list_release(listed ? &listed->view : NULL);
        return err;
    }
    if (listed->view.count > 1)
        qsort(listed->groups, listed->view.count, sizeof *listed->groups, by_group);
    *out = &listed->view;
    return KC_OK;
}

kc_err kc_admin_list_groups(kc_admin *admin, int32_t timeout_ms, kc_group_list **out, kc_error *error)
{
    kc_err err = check(admin, "all", out, error);
    if (err != KC_OK)
        return err;
    *out = NULL;
    err = kci_admin_handle_enter(admin, error);
    return err ? err : kci_admin_handle_leave(admin, list_groups(admin, timeout_ms, out, error));
}

void kc_group_list_release(kc_group_list *list)
{
    struct listed *listed = (struct listed *)(void *)list;
    if (!listed)
        return;
    kci_arena_destroy(&listed->arena);
    kci_alloc_free(kci_heap_alloc(), listed->groups);
    kci_alloc_free(kci_heap_alloc(), listed);
}

/* ---- describe ---- */

struct described {
    kc_group_description view; /* first: what the user holds */
    struct kci_arena arena;
};

static int16_t modern_verdict(const void *response)
{
    const struct kci_consumer_group_describe_response *r = response;
    return r->groups_count == 1 ? group_verdict(r->groups[0].error_code) : (int16_t)KCI_NONE;
}

/* KC_ERR_GROUP_ID_NOT_FOUND, KC_ERR_NO_VERSION: it may be a classic one. */
static kc_err describe_modern(kc_admin *admin, const char *group, int64_t deadline, struct described *to,
                              kc_error *error)
{
    struct kci_str name = kci_str_of(group);
    struct kci_consumer_group_describe_request request;
    kci_codec_init(&kci_consumer_group_describe_request_schema, &request);
    request.group_ids = &name;
    request.group_ids_count = 1;
    struct kci_admin_op op = { .api = KCI_API_CONSUMER_GROUP_DESCRIBE,
                               .version_max = 1,
                               .group = group,
                               .request = &request,
                               .deadline = deadline,
                               .verdict = modern_verdict };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_consumer_group_describe_response *r = op.response;
        to->view.coordinator = op.coordinator.broker;
        err = r->groups_count == 1
                  ? refuse(error, "describe", group, r->groups[0].error_code, r->groups[0].error_message)
                  : kci_fail(error, KC_ERR_MALFORMED, 0, "the broker answered for %d groups instead of 1",
                             (int)r->groups_count);
        if (err == KC_OK)
            kci_group_copy_modern(&to->arena, &to->view, &r->groups[0]);
    }
    kci_admin_op_free(&op);
    return err;
}

static int16_t classic_verdict(const void *response)
{
    const struct kci_describe_groups_response *r = response;
    return r->groups_count == 1 ? group_verdict(r->groups[0].error_code) : (int16_t)KCI_NONE;
}

static kc_err describe_classic(kc_admin *admin, const char *group, int64_t deadline, struct described *to,
                               kc_error *error)
{
    struct kci_str name = kci_str_of(group);
    struct kci_describe_groups_request request;
    kci_codec_init(&kci_describe_groups_request_schema, &request);
    request.groups = &name;
    request.groups_count = 1;
    struct kci_admin_op op = { .api = KCI_API_DESCRIBE_GROUPS,
                               .version_max = 6,
                               .group = group,
                               .request = &request,
                               .deadline = deadline,
                               .verdict = classic_verdict };
    kc_err err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_describe_groups_response *r = op.response;
        to->view.coordinator = op.coordinator.broker;
        int16_t code = r->groups_count == 1 ? r->groups[0].error_code : (int16_t)KCI_UNKNOWN_SERVER_ERROR;
        if (code == KCI_NONE && kci_str_equal(r->groups[0].group_state, kci_str_of("Dead")))
            code = KCI_GROUP_ID_NOT_FOUND; /* how versions below 6 say it */
        err = refuse(error, "describe", group, code, (struct kci_str){ NULL, 0 });
        if (err == KC_OK)
            kci_group_copy_classic(&to->arena, &to->view, &r->groups[0]);
    }
    kci_admin_op_free(&op);
    return err;
}

static kc_err describe_group(kc_admin *admin, const char *group, int32_t timeout_ms, kc_group_description **out,
                             kc_error *error)
{
    int64_t deadline = kci_admin_handle_deadline(timeout_ms);
    struct described *described = kci_alloc_zero(kci_heap_alloc(), 1, sizeof *described);
    if (!described)
        return kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while describing a group");
    described->arena = kci_arena_of(kci_heap_alloc(), ARENA_BYTES);
    described->view.group = kci_group_copy_text(&described->arena, kci_str_of(group));
    kc_err err = describe_modern(admin, group, deadline, described, error);
    if (err == KC_ERR_GROUP_ID_NOT_FOUND || err == KC_ERR_NO_VERSION || err == KC_ERR_UNSUPPORTED_VERSION)
        err = describe_classic(admin, group, deadline, described, error);
    if (err == KC_OK && described->arena.failed)
        err = kci_fail(error, KC_ERR_NO_MEMORY, 0, "out of memory while describing group %s", group);
    if (err != KC_OK) {
        kc_group_description_release(&described->view);
        return err;
    }
    *out = &described->view;
    return KC_OK;
}

kc_err kc_admin_describe_group(kc_admin *admin, const char *group, int32_t timeout_ms, kc_group_description **out,
                               kc_error *error)
{
    kc_err err = check(admin, group, out, error);
    if (err != KC_OK)
        return err;
    *out = NULL;
    err = kci_admin_handle_enter(admin, error);
    return err ? err : kci_admin_handle_leave(admin, describe_group(admin, group, timeout_ms, out, error));
}

void kc_group_description_release(kc_group_description *description)
{
    struct described *described = (struct described *)(void *)description;
    if (!described)
        return;
    kci_arena_destroy(&described->arena);
    kci_alloc_free(kci_heap_alloc(), described);
}

/* ---- changes ---- */

static int16_t delete_verdict(const void *response)
{
    const struct kci_delete_groups_response *r = response;
    return r->results_count == 1 ? group_verdict(r->results[0].error_code) : (int16_t)KCI_NONE;
}

kc_err kc_admin_delete_group(kc_admin *admin, const char *group, int32_t timeout_ms, kc_error *error)
{
    kc_err err = check(admin, group, admin, error);
    if (err != KC_OK)
        return err;
    struct kci_str name = kci_str_of(group);
    struct kci_delete_groups_request request = { .groups_names = &name, .groups_names_count = 1 };
    struct kci_admin_op op = { .api = KCI_API_DELETE_GROUPS,
                               .version_max = 3,
                               .group = group,
                               .request = &request,
                               .deadline = kci_admin_handle_deadline(timeout_ms),
                               .verdict = delete_verdict };
    err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_delete_groups_response *r = op.response;
        err = r->results_count == 1
                  ? refuse(error, "delete", group, r->results[0].error_code, r->results[0].error_message)
                  : kci_fail(error, KC_ERR_MALFORMED, 0, "the broker answered for %d groups instead of 1",
                             (int)r->results_count);
    }
    kci_admin_op_free(&op);
    return err;
}

static int16_t leave_verdict(const void *response)
{
    return group_verdict(((const struct kci_leave_group_response *)response)->error_code);
}

kc_err kc_admin_remove_group_member(kc_admin *admin, const char *group, const char *member_id, const char *instance_id,
                                    int32_t timeout_ms, kc_error *error)
{
    kc_err err = check(admin, group, admin, error);
    if (err == KC_OK && !member_id == !instance_id)
        err = kci_fail(error, KC_ERR_ARGUMENT, 0, "either member_id or instance_id must be given");
    if (err != KC_OK)
        return err;
    struct kci_leave_group_request__member_identity member;
    struct kci_leave_group_request request;
    kci_codec_init(&kci_leave_group_request__member_identity_schema, &member);
    kci_codec_init(&kci_leave_group_request_schema, &request);
    member.member_id = kci_str_of(member_id ? member_id : "");
    member.group_instance_id = kci_str_of(instance_id);
    member.reason = kci_str_of("an administrator removed it");
    request.group_id = kci_str_of(group);
    request.members = &member;
    request.members_count = 1;
    struct kci_admin_op op = { .api = KCI_API_LEAVE_GROUP,
                               .version_min = 3,
                               .version_max = 5,
                               .group = group,
                               .request = &request,
                               .deadline = kci_admin_handle_deadline(timeout_ms),
                               .verdict = leave_verdict };
    err = kci_admin_handle_run(admin, &op, error);
    if (err == KC_OK) {
        const struct kci_leave_group_response *r = op.response;
        int16_t code = r->error_code == KCI_NONE && r->members_count == 1 ? r->members[0].error_code : r->error_code;
        err = refuse(error, "remove a member of", group, code, (struct kci_str){ NULL, 0 });
    }
    kci_admin_op_free(&op);
    return err;
}
