/* Quotas of clients: what is set (KIP-546), what was used, and for how long who used too much is not heard (KIP-219).
 */
#ifndef MB_CORE_QUOTA_H
#define MB_CORE_QUOTA_H

#include "mockbroker/core/request.h"

#define MB_QUOTA_NAME_MAX                                                                                              \
    249 /* bytes of a user, a client id or an address in a quota: no name that a test needs is longer */

enum mb_quota_type { MB_QUOTA_USER, MB_QUOTA_CLIENT, MB_QUOTA_IP, MB_QUOTA_TYPES };
enum mb_quota_key {
    MB_QUOTA_PRODUCE,    /* producer_byte_rate */
    MB_QUOTA_FETCH,      /* consumer_byte_rate */
    MB_QUOTA_REQUEST,    /* request_percentage */
    MB_QUOTA_MUTATION,   /* controller_mutation_rate */
    MB_QUOTA_CONNECTION, /* connection_creation_rate, of addresses */
    MB_QUOTA_KEYS
};

/* Whom a quota is for. A part that is not given applies to all and is not told apart. */
struct mb_quota_entity {
    struct {
        bool given;
        struct kci_str name; /* no data: the default of all that have no quota of their own */
    } part[MB_QUOTA_TYPES];
};

struct mb_quota_set { /* what is set for one entity */
    struct mb_quota_entity entity;
    double value[MB_QUOTA_KEYS]; /* a second; 0: not set */
    struct kci_list link;        /* of the quotas, in the order of their first setting */
};

struct mb_quotas;

const char *mb_quota_type_name(enum mb_quota_type type);
int mb_quota_type_of(struct kci_str name); /* -1: no such type */
const char *mb_quota_key_name(enum mb_quota_key key);
int mb_quota_key_of(struct kci_str name); /* -1: no such key */

/* Set (0: remove) one value. false: too many, or no memory; nothing has changed. */
bool mb_quota_set(struct mb_cluster *cluster, const struct mb_quota_entity *entity, enum mb_quota_key key,
                  double value);
/* The next set, NULL at the end; begin with NULL. */
const struct mb_quota_set *mb_quota_next(const struct mb_cluster *cluster, const struct mb_quota_set *after);
void mb_quota_destroy(struct mb_cluster *cluster);

/* ---- using ---- */
/* The request is about to be answered: count its bytes and its time. Returns how long its connection is not read, which
 * is what the answer says, in milliseconds; 0: nothing. */
int32_t mb_quota_at_answer(struct mb_request *request, int64_t now);
/* A fetch is about to be answered with so many bytes; positive: it must be answered without records. */
int32_t mb_quota_at_fetch(struct mb_request *request, uint64_t bytes, int64_t now);
/* The most that one fetch may bring: what ten windows allow. UINT64_MAX: no limit. */
uint64_t mb_quota_fetch_max(const struct mb_request *request);
/* `count` partitions are to be made or deleted (KIP-599). From version `strict_since` of the API on it is refused when
 * the bucket is empty: THROTTLING_QUOTA_EXCEEDED; before, it is done and paid for by waiting. The answer says how long.
 */
int16_t mb_quota_at_mutation(struct mb_request *request, int32_t count, int16_t strict_since, int64_t now);

/* ---- connections (KIP-612), for acceptor.c ---- */
/* How many connections a second are set for this address, or for those that have no quota of their own; 0: any. */
double mb_quota_of_address(const struct mb_cluster *cluster, struct kci_str address);
/* Count `amount` connections of an address, or of all (no data), to a broker. How many milliseconds until there are no
 * more than `limit` a second: at most a window. */
int64_t mb_quota_at_connection(struct mb_cluster *cluster, int32_t broker, struct kci_str address, double amount,
                               double limit, int64_t now);

#endif
