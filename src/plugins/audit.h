/* The interceptor "audit": who sent what when, and what became of it, one line of JSON per record. */
#ifndef KCI_PLUGINS_AUDIT_H
#define KCI_PLUGINS_AUDIT_H

#include "base/alloc.h"
#include "base/lock.h"
#include <kclient/plugin.h>

#define KCI_AUDIT_PENDING_MAX 65536 /* records under way whose key is remembered; of more, lines say less */
#define KCI_AUDIT_LINE_BYTES  1024  /* of one line, at most */

struct kci_audit_options {
    const struct kci_alloc *alloc;
    const struct kci_lock_ops *lock_ops;
    int64_t (*clock)(void); /* wall clock, microseconds */
    const char *client_id;  /* copied, cut to 255 bytes */
    /* Takes a line, NUL-terminated, of size bytes: on the sender thread, or on that of send. Must not wait. */
    void (*write)(void *context, const char *line, size_t size);
    void (*close)(void *context); /* the last call; with the table's `close` */
    void *context;
};

/* KC_ERR_NO_MEMORY: nothing was taken over, `close` is not called. */
kc_err kci_audit_make(const struct kci_audit_options *options, kc_producer_interceptor *out);

#endif
