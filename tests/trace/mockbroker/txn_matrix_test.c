/* What a transaction's coordinator says: each request of a producer, in each state, with every producer id and epoch that
 * matters (PROTOCOL 4.8).  The answers are those of Apache Kafka 4.3.1 to the same requests.
 *
 *      states    committed_4, aborted_4: ended by EndTxn v4, whose epochs stay;  _5: by v5, which raises the epoch
 *      answers   one letter each for the epochs two back, one back, the current one, one ahead, for another producer id,
 *                and for none
 *                .  NONE, and the epoch is the current one (or not told)      +  NONE, the epoch is the next one
 *                *  NONE, a new producer id     e  INVALID_PRODUCER_EPOCH     f  PRODUCER_FENCED
 *                t  INVALID_TXN_STATE           c  CONCURRENT_TRANSACTIONS    m  INVALID_PRODUCER_ID_MAPPING
 *                q  INVALID_REQUEST */
#include "support/txn_story.h"

enum { COMMIT, ABORT, ADD_PARTITION, ADD_GROUP, INIT };
static const char *const api_names[] = { "EndTxn (commit)", "EndTxn (abort)", "AddPartitionsToTxn", "AddOffsetsToTxn",
                                         "InitProducerId" };
enum { IDS = 6 };

struct row {
    int api;
    int16_t version;
    const char answers[IDS + 1];
};

/* clang-format off */
static const struct row never[] = {
    { COMMIT, 1, "mmmmmm" }, { ABORT, 1, "mmmmmm" }, { COMMIT, 2, "mmmmmm" }, { ABORT, 2, "mmmmmm" },
    { COMMIT, 5, "mmmmmm" }, { ABORT, 5, "mmmmmm" }, { ADD_PARTITION, 1, "mmmmmm" }, { ADD_PARTITION, 3, "mmmmmm" },
    { ADD_GROUP, 1, "mmmmmm" }, { ADD_GROUP, 4, "mmmmmm" }, { INIT, 3, "******" }, { INIT, 4, "******" },
};
static const struct row empty[] = {
    { COMMIT, 1, "eetemm" }, { ABORT, 1, "eetemm" }, { COMMIT, 2, "fftfmm" }, { ABORT, 2, "fftfmm" },
    { COMMIT, 5, "fftfmm" }, { ABORT, 5, "ff+fmm" }, { ADD_PARTITION, 1, "ee.emm" }, { ADD_PARTITION, 3, "ff.fmm" },
    { ADD_GROUP, 1, "ee.emm" }, { ADD_GROUP, 4, "ff.fmm" }, { INIT, 3, "qe+ee+" }, { INIT, 4, "qf+ff+" },
};
static const struct row ongoing[] = {
    { COMMIT, 1, "ee.emm" }, { ABORT, 1, "ee.emm" }, { COMMIT, 2, "ff.fmm" }, { ABORT, 2, "ff.fmm" },
    { COMMIT, 5, "ff+fmm" }, { ABORT, 5, "ff+fmm" }, { ADD_PARTITION, 1, "ee.emm" }, { ADD_PARTITION, 3, "ff.fmm" },
    { ADD_GROUP, 1, "ee.emm" }, { ADD_GROUP, 4, "ff.fmm" }, { INIT, 3, "qcccec" }, { INIT, 4, "qcccfc" },
};
static const struct row committed_4[] = {
    { COMMIT, 1, "ee.emm" }, { ABORT, 1, "eetemm" }, { COMMIT, 2, "ff.fmm" }, { ABORT, 2, "fftfmm" },
    { COMMIT, 5, "f.tfmm" }, { ABORT, 5, "ft+fmm" }, { ADD_PARTITION, 1, "ee.emm" }, { ADD_PARTITION, 3, "ff.fmm" },
    { ADD_GROUP, 1, "ee.emm" }, { ADD_GROUP, 4, "ff.fmm" }, { INIT, 3, "qe+ee+" }, { INIT, 4, "qf+ff+" },
};
static const struct row committed_5[] = {
    { COMMIT, 1, "ee.emm" }, { ABORT, 1, "eetemm" }, { COMMIT, 2, "ff.fmm" }, { ABORT, 2, "fftfmm" },
    { COMMIT, 5, "f.tfmm" }, { ABORT, 5, "ft+fmm" }, { ADD_PARTITION, 1, "ee.emm" }, { ADD_PARTITION, 3, "ff.fmm" },
    { ADD_GROUP, 1, "ee.emm" }, { ADD_GROUP, 4, "ff.fmm" }, { INIT, 3, "e.+ee+" }, { INIT, 4, "f.+ff+" },
};
static const struct row aborted_4[] = {
    { COMMIT, 1, "eetemm" }, { ABORT, 1, "ee.emm" }, { COMMIT, 2, "fftfmm" }, { ABORT, 2, "ff.fmm" },
    { COMMIT, 5, "fttfmm" }, { ABORT, 5, "f.+fmm" }, { ADD_PARTITION, 1, "ee.emm" }, { ADD_PARTITION, 3, "ff.fmm" },
    { ADD_GROUP, 1, "ee.emm" }, { ADD_GROUP, 4, "ff.fmm" }, { INIT, 3, "qe+ee+" }, { INIT, 4, "qf+ff+" },
};
static const struct row aborted_5[] = {
    { COMMIT, 1, "eetemm" }, { ABORT, 1, "ee.emm" }, { COMMIT, 2, "fftfmm" }, { ABORT, 2, "ff.fmm" },
    { COMMIT, 5, "fttfmm" }, { ABORT, 5, "f.+fmm" }, { ADD_PARTITION, 1, "ee.emm" }, { ADD_PARTITION, 3, "ff.fmm" },
    { ADD_GROUP, 1, "ee.emm" }, { ADD_GROUP, 4, "ff.fmm" }, { INIT, 3, "e.+ee+" }, { INIT, 4, "f.+ff+" },
};
static const struct row prepared_4[] = {
    { COMMIT, 1, "eecemm" }, { ABORT, 1, "eecemm" }, { COMMIT, 2, "ffcfmm" }, { ABORT, 2, "ffcfmm" },
    { COMMIT, 5, "cccccc" }, { ABORT, 5, "cccccc" }, { ADD_PARTITION, 1, "cccccc" }, { ADD_PARTITION, 3, "cccccc" },
    { ADD_GROUP, 1, "cccccc" }, { ADD_GROUP, 4, "cccccc" }, { INIT, 3, "qccccc" }, { INIT, 4, "qccccc" },
};
/* clang-format on */

static char letter_of(int16_t error)
{
    switch (error) {
    case KCI_INVALID_PRODUCER_EPOCH:
        return 'e';
    case KCI_PRODUCER_FENCED:
        return 'f';
    case KCI_INVALID_TXN_STATE:
        return 't';
    case KCI_CONCURRENT_TRANSACTIONS:
        return 'c';
    case KCI_INVALID_PRODUCER_ID_MAPPING:
        return 'm';
    case KCI_INVALID_REQUEST:
        return 'q';
    default:
        return '?';
    }
}

/* A success, by the producer that the answer names. */
static char success(const struct txn_client *c, int64_t producer_id, int16_t epoch)
{
    return producer_id != c->producer_id ? '*' : epoch == c->epoch ? '.' : epoch == c->epoch + 1 ? '+' : '?';
}

static char end(const struct txn_client *c, int16_t version, bool commit, int64_t producer_id, int16_t epoch)
{
    struct kci_end_txn_request body = {
        .transactional_id = c->id, .producer_id = producer_id, .producer_epoch = epoch, .committed = commit
    };
    const struct kci_end_txn_response *answer = client_call(c->conn, KCI_API_END_TXN, version, &body);
    if (answer->error_code)
        return letter_of(answer->error_code);
    return version < 5 ? '.' : success(c, answer->producer_id, answer->producer_epoch);
}

static char add_partition(const struct txn_client *c, int16_t version, int64_t producer_id, int16_t epoch)
{
    int32_t partition = 0;
    struct kci_add_partitions_to_txn_request__add_partitions_to_txn_topic of = { .name = NAME("t"),
                                                                                 .partitions = &partition,
                                                                                 .partitions_count = 1 };
    struct kci_add_partitions_to_txn_request body = { .v3_and_below_transactional_id = c->id,
                                                      .v3_and_below_producer_id = producer_id,
                                                      .v3_and_below_producer_epoch = epoch,
                                                      .v3_and_below_topics = &of,
                                                      .v3_and_below_topics_count = 1 };
    const struct kci_add_partitions_to_txn_response *answer =
        client_call(c->conn, KCI_API_ADD_PARTITIONS_TO_TXN, version, &body);
    int16_t error = answer->results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
    return error ? letter_of(error) : '.';
}

static char add_group(const struct txn_client *c, int16_t version, int64_t producer_id, int16_t epoch)
{
    struct kci_add_offsets_to_txn_request body = {
        .transactional_id = c->id, .producer_id = producer_id, .producer_epoch = epoch, .group_id = NAME("g")
    };
    const struct kci_add_offsets_to_txn_response *answer =
        client_call(c->conn, KCI_API_ADD_OFFSETS_TO_TXN, version, &body);
    return answer->error_code ? letter_of(answer->error_code) : '.';
}

static char init(const struct txn_client *c, int16_t version, int64_t producer_id, int16_t epoch)
{
    struct kci_init_producer_id_request body;
    kci_codec_init(&kci_init_producer_id_request_schema, &body);
    body.transactional_id = c->id;
    body.transaction_timeout_ms = 60000;
    body.producer_id = producer_id;
    body.producer_epoch = epoch;
    const struct kci_init_producer_id_response *answer = client_call(c->conn, KCI_API_INIT_PRODUCER_ID, version, &body);
    return answer->error_code ? letter_of(answer->error_code) : success(c, answer->producer_id, answer->producer_epoch);
}

static char ask(const struct txn_client *c, const struct row *row, int i)
{
    int64_t producer_id = i < 4 ? c->producer_id : i == 4 ? c->producer_id + 1000 : -1;
    int16_t epoch = (int16_t)(i < 4 ? c->epoch + i - 2 : i == 4 ? c->epoch : -1);
    switch (row->api) {
    case ADD_PARTITION:
        return add_partition(c, row->version, producer_id, epoch);
    case ADD_GROUP:
        return add_group(c, row->version, producer_id, epoch);
    case INIT:
        return init(c, row->version, producer_id, epoch);
    default:
        return end(c, row->version, row->api == COMMIT, producer_id, epoch);
    }
}

static void expect(const struct txn_client *c, const char *state, const struct row *row, int i)
{
    char got = ask(c, row, i);
    if (got != row->answers[i])
        fail_msg("%s, %s v%d, producer %d: '%c' instead of '%c'", state, api_names[row->api], row->version, i, got,
                 row->answers[i]);
}

/* The client's transaction comes into the state of the table. There was an epoch before. */
static void bring(struct txn_client *c, const struct row *table)
{
    if (table == never) { /* what it says of itself is made up */
        c->producer_id = 123456789;
        c->epoch = 3;
        return;
    }
    assert_code(txn_init(c, false), KCI_NONE);
    assert_code(txn_init(c, false), KCI_NONE);
    if (table == empty)
        return;
    assert_code(txn_add(c, "t", 0), KCI_NONE);
    if (table != ongoing)
        assert_code(txn_end_as(c, table == committed_4 || table == aborted_4 ? 4 : 5,
                               table == committed_4 || table == committed_5),
                    KCI_NONE);
}

#define TABLE(name)                                                                                                    \
    {                                                                                                                  \
#name, name, sizeof name / sizeof name[0]                                                                      \
    }

static void every_request_in_every_state(void **unused)
{
    static const struct {
        const char *name;
        const struct row *rows;
        size_t count;
    } tables[] = { TABLE(never),       TABLE(empty),     TABLE(ongoing),  TABLE(committed_4),
                   TABLE(committed_5), TABLE(aborted_4), TABLE(aborted_5) };
    struct world s;
    int made = 0;
    (void)unused;
    world_open(&s, 1, NULL);
    world_topic(&s, "t", 1, 1, NULL);
    group_coordinator(&s, "g");
    struct txn_client first = txn_client_of(&s, "first");
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
        for (size_t r = 0; r < tables[t].count; r++)
            for (int i = 0; i < IDS; i++) { /* each request meets a transaction of its own */
                char id[16];
                snprintf(id, sizeof id, "id-%d", made++);
                struct txn_client c = { &s, first.conn, kci_str_of(id), 60000, -1, -1, 0 };
                bring(&c, tables[t].rows);
                expect(&c, tables[t].name, &tables[t].rows[r], i);
            }
    world_close(&s);
}

/* Decided, and its markers cannot be written: whoever leads the partition is away. */
static void while_markers_are_outstanding(void **unused)
{
    (void)unused;
    for (int commit = 0; commit < 2; commit++) {
        struct world s;
        world_open(&s, 3, NULL);
        world_topic(&s, "t", 1, 1, NULL);
        int32_t holder = world_look(&s, "t", 0).leader;
        struct txn_client c = txn_client_of(&s, "id");
        assert_code(txn_init(&c, false), KCI_NONE);
        assert_code(txn_init(&c, false), KCI_NONE);
        assert_code(txn_add(&c, "t", 0), KCI_NONE);
        mb_cluster_move_leader(s.cluster, kci_str_of("__transaction_state"),
                               mb_txns_home_of(s.cluster->transactions, c.id), holder % 3 + 1, s.now);
        c.conn = group_connect(&s, holder % 3 + 1, "c");
        assert_code(mb_cluster_broker_stop(s.cluster, holder, false, s.now), KCI_NONE);
        assert_code(txn_end_as(&c, 4, commit), KCI_NONE);
        assert_txn_state(&c, commit ? "PrepareCommit" : "PrepareAbort");
        for (size_t r = 0; r < sizeof prepared_4 / sizeof prepared_4[0]; r++)
            for (int i = 0; i < IDS; i++)
                expect(&c, "prepared", &prepared_4[r], i);
        assert_code(mb_cluster_broker_start(s.cluster, holder, s.now), KCI_NONE);
        world_pass(&s, 1000);
        assert_txn_state(&c, commit ? "CompleteCommit" : "CompleteAbort");
        world_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_in_every_state),
        cmocka_unit_test(while_markers_are_outstanding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
