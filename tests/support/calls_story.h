/* A cluster with a connection to its first broker, and calls whose fates are looked at.
 *
 * Included by one test file. */
#ifndef TEST_SUPPORT_CALLS_STORY_H
#define TEST_SUPPORT_CALLS_STORY_H

#include "support/script_cluster.h"

static struct script_peer peer;
static struct script_cluster sc;
static struct script_call calls[12];
static struct script_conn *b1; /* the connection to broker 1 */

/* A cluster of `brokers`, known and connected to its first. */
static inline void begin(int32_t brokers)
{
    script_cluster_init(&sc, &peer);
    peer.auto_connect = peer.auto_versions = peer.auto_metadata = true;
    peer.brokers = brokers;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        script_call_init(&calls[i]);
    script_cluster_create(&sc);
    script_call(&sc, 1, &calls[11]);
    b1 = script_conn_to(&peer, "b1:9092");
    script_answer_heartbeat(&peer, script_take(&peer, b1, KCI_API_HEARTBEAT), 0);
    script_call_init(&calls[11]);
    assert_true(kci_cluster_node_ready(sc.cluster, 1, peer.now));
}

static inline void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static inline void expect(const struct script_call *call, kc_err error, bool maybe_applied)
{
    assert_int_equal(call->done, 1);
    assert_int_equal(call->error, error);
    assert_int_equal(call->maybe_applied, maybe_applied);
    assert_int_equal(call->had_response, error == KC_OK);
    assert_int_equal(call->call.stage, 0);
}

#endif
