/* Who is at the other end: authentication by SASL on every listener of the cluster (KIP-43, KIP-152, KIP-368). */
#ifndef MB_CORE_SASL_H
#define MB_CORE_SASL_H

#include "mockbroker/core/connection.h"
#include "mockbroker/core/scram.h"

#define MB_PRINCIPAL_BYTES_MAX 1024                               /* "User:" and a name */
#define MB_SASL_TEXT_MAX       (2 * MB_PRINCIPAL_BYTES_MAX + 200) /* bytes of a reason */
#define MB_SASL_ANSWER_MAX     ((size_t)2 << 20) /* bytes of a message of ours: it has the client's nonce */

enum mb_sasl_mechanism { MB_SASL_PLAIN, MB_SASL_SCRAM_256, MB_SASL_SCRAM_512, MB_SASL_MECHANISMS };
enum mb_sasl_state {
    MB_SASL_BEGUN,      /* ApiVersions or SaslHandshake comes */
    MB_SASL_VERSIONED,  /* SaslHandshake comes */
    MB_SASL_EXCHANGE,   /* the mechanism's messages come */
    MB_SASL_DONE,       /* anything comes */
    MB_SASL_MISMATCHED, /* another mechanism than before was chosen: nothing may come any more */
    MB_SASL_FAILED,     /* to be closed, once its answer has left */
};

struct mb_sasl {
    int state;                        /* enum mb_sasl_state */
    enum mb_sasl_mechanism mechanism; /* of the handshake */
    bool raw;                         /* SaslHandshake v0: messages come as bare frames */
    bool again;                       /* it was DONE before: re-authentication (KIP-368) */
    struct mb_identity {
        char principal[MB_PRINCIPAL_BYTES_MAX]; /* "User:anna" */
        bool by_token;                          /* proven by a delegation token */
        int64_t token_until_ms;                 /* when that expires, ms since 1970 */
    } known, claimed;                           /* once it is DONE; by the exchange that goes on */
    int64_t session_until;                      /* microseconds; KCI_NEVER */
    int64_t again_at;                           /* microseconds, when it last began once more; -1: never */
    struct mb_scram scram;                      /* between its two messages it has a nonce */
};

/* sasl.enabled.mechanisms and mock.sasl.users. false: text says what is wrong. */
bool mb_sasl_start(struct mb_cluster *cluster, char *text, size_t text_size);
/* SCRAM credentials of the users of mock.sasl.users, as far as a SCRAM mechanism is enabled. false: no memory. */
bool mb_sasl_seed(struct mb_cluster *cluster);
const char *mb_sasl_mechanism_name(enum mb_sasl_mechanism mechanism);
int mb_sasl_mechanism_find(struct kci_str name); /* enum mb_sasl_mechanism; -1: none */
bool mb_sasl_is_enabled(const struct mb_cluster *cluster, enum mb_sasl_mechanism mechanism);

/* Of a new connection, when anything is enabled; false: no memory. */
bool mb_sasl_open(struct mb_connection *connection);
void mb_sasl_close(struct mb_connection *connection);
/* A frame that is no request (takes it then). */
bool mb_sasl_takes(struct mb_connection *connection, struct kci_frame *frame, int64_t now);
/* May the request be handled? If not, it is answered, or its connection is gone. */
bool mb_sasl_admits(struct mb_request *request, int64_t now);
/* Is it part of a login? Then no quota counts it. */
bool mb_sasl_is_login(const struct mb_request *request);
bool mb_sasl_is_over(const struct mb_connection *connection); /* failed: close it */
void mb_sasl_versions_told(struct mb_connection *connection); /* ApiVersions was answered */

/* ---- for the handlers ---- */
/* SaslHandshake asked for this mechanism. The error; -1: hang up. */
int mb_sasl_choose(struct mb_connection *connection, struct kci_str mechanism, bool raw);
/* A message of the mechanism; what it is answered with is written. NULL: it was right; else what is told of it, "": hang
 * up. */
const char *mb_sasl_evaluate(struct mb_connection *connection, struct kci_bytes message, struct kci_writer *w,
                             char *text, size_t text_size, int64_t now);
/* How long it may go on, which is told once it is DONE; 0: without end, or not DONE. */
int64_t mb_sasl_session_ms(const struct mb_sasl *sasl, int64_t now);

#endif
