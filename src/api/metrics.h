/* The table of metrics: what kc_metrics_text() writes and docs/metrics.md lists. */
#ifndef KCI_API_METRICS_H
#define KCI_API_METRICS_H

#include "cluster/metrics.h"
#include "cluster/settings.h"

enum kci_metrics_scope { KCI_SCOPE_CLIENT, KCI_SCOPE_BROKER, KCI_SCOPE_API, KCI_SCOPE_TOPIC, KCI_SCOPE_PARTITION };

enum kci_metrics_type {
    KCI_METRIC_COUNTER,         /* uint64_t */
    KCI_METRIC_COUNTER_SECONDS, /* uint64_t, microseconds; written in seconds */
    KCI_METRIC_GAUGE,           /* uint64_t */
    KCI_METRIC_GAUGE_KNOWN,     /* int64_t; left out while it is -1 */
    KCI_METRIC_GAUGE_SECONDS,   /* int64_t, microseconds; written in seconds; left out while it is -1 */
    KCI_METRIC_GAUGE_REAL,      /* double */
    KCI_METRIC_TIMES,           /* kc_times: a summary in seconds, and a gauge NAME_max */
};

struct kci_metrics_row {
    const char *name; /* Prometheus */
    const char *java; /* the Java client's name for it, or NULL */
    enum kci_metrics_scope scope;
    int roles; /* KCI_ROLE_* bits */
    enum kci_metrics_type type;
    size_t offset;    /* in the struct of the scope */
    const char *help; /* one sentence, with its unit */
};
extern const struct kci_metrics_row kci_metrics_rows[];
extern const size_t kci_metrics_row_count;

/* Who a snapshot is of. */
struct kci_metrics_source {
    const char *role;
    const struct kci_settings *settings;
    void *engine;
    void (*need)(void *engine, struct kci_metrics_room *room); /* set the capacities */
    void (*fill)(void *engine, kc_metrics *out, const struct kci_metrics_room *room, int64_t now);
};
/* KC_ERR_NO_MEMORY. */
kc_err kci_metrics_snapshot(const struct kci_metrics_source *source, kc_metrics **out, kc_error *error);

#endif
