/* The admin handle from inside: what the files of the admin functions share. */
#ifndef KCI_API_ADMIN_HANDLE_H
#define KCI_API_ADMIN_HANDLE_H

#include "admin/admin.h"
#include "runtime/runtime.h"
#include <kclient/groups.h>

struct kc_admin {
    struct kci_settings *settings;
    struct kci_loop *loop;
    struct kci_gate *gate;
    struct kci_admin *engine;
    struct kci_mock_cluster *mock; /* test.mock.num.brokers; NULL: none */
    struct kci_door door;          /* of all calls */
    uint32_t generation;           /* of the process, at creation */
};

/* A call begins: KC_ERR_FORKED in a child of the process that made the handle, KC_ERR_CLOSED.  Calls within calls are
 * fine. Whoever runs more than one operation enters by himself, or the handle may be gone in between. */
kc_err kci_admin_handle_enter(const kc_admin *admin, kc_error *error);
/* It ends. Its second argument, for `return`. */
kc_err kci_admin_handle_leave(const kc_admin *admin, kc_err result);
/* Submit and wait; the engine keeps the deadline. Release the answer with kci_admin_op_free(), also after an error. */
kc_err kci_admin_handle_run(kc_admin *admin, struct kci_admin_op *op, kc_error *error);
/* Wait for an op that was submitted; its `error` tells how it went. */
void kci_admin_handle_wait(kc_admin *admin, const struct kci_admin_op *op);
/* Monotonic microseconds; timeout_ms < 0: KCI_NEVER. */
int64_t kci_admin_handle_deadline(int32_t timeout_ms);

#endif
