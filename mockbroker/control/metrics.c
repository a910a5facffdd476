/* /metrics: Prometheus' text format, one gauge after the other. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/view.h"

#include <stdio.h>
#include <stdlib.h>

/* Topic names are [a-zA-Z0-9._-]: nothing in a label needs an escape. */
static void print_partitions(FILE *out, const struct mb_cluster *cluster)
{
    static const char *const names[] = { "log_start_offset", "high_watermark", "log_end_offset", "isr_count" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct mb_topic_view topic;
        struct mb_partition_view view;
        fprintf(out, "# TYPE mockbroker_partition_%s gauge\n", names[i]);
        for (size_t at = 0; mb_view_topic_next(cluster, &at, &topic);)
            for (int32_t index = 0; !topic.internal && index < topic.partitions; index++) {
                if (mb_cluster_partition(cluster, kci_str_of(topic.name), index, &view))
                    continue;
                int64_t values[] = { view.log_start, view.high_watermark, view.log_end, view.isr_count };
                fprintf(out, "mockbroker_partition_%s{topic=\"%s\",partition=\"%d\"} %lld\n", names[i], topic.name,
                        (int)index, (long long)values[i]);
            }
    }
}

static void print_cluster(FILE *out, const struct mb_cluster *cluster)
{
    struct mb_cluster_view view;
    mb_view_cluster(cluster, &view);
    fprintf(out, "# TYPE mockbroker_connections gauge\nmockbroker_connections %zu\n", view.connections);
    fprintf(out, "# TYPE mockbroker_requests_in_flight gauge\nmockbroker_requests_in_flight %zu\n", view.requests);
    fprintf(out, "# TYPE mockbroker_broker_running gauge\n");
    for (int32_t id = 1; id <= view.brokers; id++) {
        enum mb_broker_state state;
        if (mb_view_broker(cluster, id, &state))
            fprintf(out, "mockbroker_broker_running{broker=\"%d\"} %d\n", (int)id,
                    state == MB_BROKER_RUNNING || state == MB_BROKER_LEAVING);
    }
    fprintf(out, "# TYPE mockbroker_controller_epoch gauge\nmockbroker_controller_epoch{broker=\"%d\"} %d\n",
            (int)view.controller, (int)view.controller_epoch);
}

void mb_control_get_metrics(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    (void)now;
    if (out) {
        print_cluster(out, cluster);
        print_partitions(out, cluster);
    }
    if (!out || fclose(out)) {
        free(text);
        mb_control_fail(request, 500, NULL, "out of memory");
        return;
    }
    request->text = text;
    request->status = 200;
}
