/* FindCoordinator: which broker to talk to about a group or a transactional id (v4+: several).  Share groups (v6) are
 * INVALID_REQUEST, as on a broker where they are switched off. */
#include "mockbroker/core/authorize.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/txn_registry.h"

enum { KEY_GROUP = 0, KEY_TRANSACTION = 1, KEY_SHARE = 2 };

struct found {
    int16_t error;
    int32_t node_id; /* -1: none */
    struct kci_str host;
    int32_t port;
};

static struct found find(struct mb_request *request, int8_t type, struct kci_str key, int64_t now)
{
    struct found found = { KCI_COORDINATOR_NOT_AVAILABLE, -1, { "", 0 }, -1 };
    struct mb_groups *groups = mb_cluster_groups(request->cluster);
    bool of_group = type == KEY_GROUP;
    if (!of_group && type != KEY_TRANSACTION) {
        found.error = KCI_INVALID_REQUEST;
        return found;
    }
    if (of_group && mb_authorize_group(request, key)) {
        found.error = KCI_GROUP_AUTHORIZATION_FAILED;
        return found;
    }
    if (!of_group && !mb_authorize(request, MB_ACL_DESCRIBE, MB_ACL_TRANSACTIONAL_ID, key)) {
        found.error = KCI_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        return found;
    }
    int32_t home = of_group ? mb_groups_partition_of(groups, key)
                            : mb_txns_home_of(mb_cluster_transactions(request->cluster), key);
    int32_t leader = mb_internal_leader(request->cluster,
                                        kci_str_of(of_group ? MB_OFFSETS_TOPIC : MB_TRANSACTIONS_TOPIC), home, now);
    if (leader >= 0 && mb_request_endpoint(request, leader, &found.host, &found.port)) {
        found.error = KCI_NONE;
        found.node_id = leader;
    }
    return found;
}

/* v4+ */
static void answer_keys(struct mb_request *request, int64_t now)
{
    const struct kci_find_coordinator_request *body = request->body;
    struct kci_find_coordinator_response response = { .coordinators_count = body->coordinator_keys_count };
    response.coordinators =
        kci_arena_array(&request->arena, (size_t)body->coordinator_keys_count, sizeof *response.coordinators);
    if (!response.coordinators) {
        mb_request_hang_up(request, "no memory for the answer", now);
        return;
    }
    for (int32_t i = 0; i < body->coordinator_keys_count; i++) {
        struct found found = find(request, body->key_type, body->coordinator_keys[i], now);
        response.coordinators[i].key = body->coordinator_keys[i];
        response.coordinators[i].node_id = found.node_id;
        response.coordinators[i].host = found.host;
        response.coordinators[i].port = found.port;
        response.coordinators[i].error_code = found.error;
        response.coordinators[i].error_message = kci_str_of(found.error ? kci_error_text(found.error) : "");
    }
    mb_request_answer(request, &response, now);
}

void mb_handle_find_coordinator(struct mb_request *request, int64_t now)
{
    const struct kci_find_coordinator_request *body = request->body;
    if (request->header.version >= 4) {
        answer_keys(request, now);
        return;
    }
    struct found found = find(request, request->header.version >= 1 ? body->key_type : KEY_GROUP, body->key, now);
    struct kci_find_coordinator_response response = {
        .error_code = found.error,
        .error_message = kci_str_of(found.error ? kci_error_text(found.error) : "NONE"),
        .node_id = found.node_id,
        .host = found.host,
        .port = found.port,
    };
    mb_request_answer(request, &response, now);
}
