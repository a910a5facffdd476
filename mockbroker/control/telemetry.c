/* /v1/telemetry: what clients pushed. */
#include "mockbroker/control/routes.h"

#include "mockbroker/core/telemetry.h"
#include "runtime/runtime.h"

#define ANSWER_BYTES_MAX ((size_t)256 << 20)

void mb_control_get_telemetry(struct mb_control_request *request, struct mb_cluster *cluster, int64_t now)
{
    struct kci_writer w = kci_writer_of(kci_heap_alloc(), ANSWER_BYTES_MAX);
    json_error_t error;
    (void)now;
    mb_telemetry_write(cluster, &w);
    mb_control_answer(request, 200, w.failed ? NULL : json_loadb((const char *)w.data, w.size, 0, &error));
    kci_writer_destroy(&w);
}
