/* Changes of a KIP-848 group on their way to the log, and the answers that wait for them. */
#ifndef MB_CORE_MODERN_WRITE_H
#define MB_CORE_MODERN_WRITE_H

#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern.h"

/* The group was changed in memory, `records` say how (it may have become a classic one). `request` (NULL: nobody waits)
 * is answered with `response` (of its API) once they are committed; if there are none, once nothing else is under way.
 * Frees the gathered bytes. `response` and what it points to must live as long as the request. May be the last use of
 * `group`. */
void mb_modern_write(struct mb_group *group, struct mb_group_records *records, struct mb_request *request,
                     const void *response, int64_t now);
/* Memory gave out in the middle of a change: read the group again from its log; the client is to try again. */
void mb_modern_write_failed(struct mb_group *group, struct mb_group_records *records, struct mb_request *request,
                            int64_t now);

#endif
