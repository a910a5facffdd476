/* /v1/transactions: what the coordinators know. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/view.h"

static void add_partition(void *context, struct kci_str topic, int32_t partition)
{
    json_array_append_new(context,
                          json_pack("{s:o, s:i}", "topic", mb_control_text(topic), "partition", (int)partition));
}

void mb_control_get_transactions(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct mb_txn_view view;
    json_t *list = json_array();
    (void)now;
    for (size_t at = 0; mb_view_txn_next(cluster, &at, &view);) {
        json_t *partitions = json_array();
        mb_view_txn_partitions(cluster, view.id, add_partition, partitions);
        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:I, s:i, s:i, s:I, s:i, s:o}", "transactional_id",
                                        mb_control_text(view.id), "state", view.state, "producer_id",
                                        (json_int_t)view.producer_id, "producer_epoch", (int)view.epoch, "timeout_ms",
                                        (int)view.timeout_ms, "started_ms", (json_int_t)view.started_ms, "coordinator",
                                        (int)view.coordinator, "partitions", partitions));
    }
    mb_control_answer(request, 200, json_pack("{s:o}", "transactions", list));
}
