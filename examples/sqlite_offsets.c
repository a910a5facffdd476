/* Count words into a database, exactly once: the effect of a record and the offset behind it are stored in one
 * transaction, so after a crash the database itself says where to go on.
 *
 *     sqlite_offsets BOOTSTRAP TOPIC GROUP DATABASE [COUNT]     (ends after COUNT records; default: at SIGTERM)
 *
 * Nothing is committed to Kafka: the listener seeks to what the database has. A member that lost a partition without
 * knowing it yet must not store anything for it any more: each partition has an owner number in the database, which
 * rises with every assignment, and a transaction of a former owner is rolled back.
 */
#include <kclient/kclient.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#define PARTITIONS_MAX 1000

static volatile sig_atomic_t ended;
static sqlite3 *database;
static kc_consumer *consumer;
static sqlite3_int64 owner[PARTITIONS_MAX]; /* our number of each partition that is ours */
static int broken;                          /* the database failed within the listener */

static const char tables[] = "CREATE TABLE IF NOT EXISTS words(word TEXT PRIMARY KEY, count INTEGER);"
                             "CREATE TABLE IF NOT EXISTS offsets(topic TEXT, partition INTEGER, next INTEGER DEFAULT 0,"
                             " owner INTEGER DEFAULT 0, PRIMARY KEY(topic, partition));";
static const char take_over[] = "INSERT INTO offsets(topic, partition, owner) VALUES(?1, ?2, 1)"
                                " ON CONFLICT DO UPDATE SET owner = owner + 1 RETURNING next, owner";
static const char count_word[] = "INSERT INTO words VALUES(?1, 1) ON CONFLICT DO UPDATE SET count = count + 1";
static const char move_on[] = "UPDATE offsets SET next = ?3 WHERE topic = ?1 AND partition = ?2 AND owner = ?4";

static void on_signal(int number)
{
    (void)number;
    ended = 1;
}

static int execute(const char *sql)
{
    if (sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 1;
    fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(database));
    return 0;
}

/* Runs within poll: from now on these partitions are ours, and we are behind what the database has of them. */
static void on_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *statement = NULL;
        kc_error error;
        sqlite3_prepare_v2(database, take_over, -1, &statement, NULL);
        sqlite3_bind_text(statement, 1, partitions[i].topic, -1, SQLITE_TRANSIENT);
        sqlite3_bind_int(statement, 2, partitions[i].partition);
        if (partitions[i].partition >= PARTITIONS_MAX || sqlite3_step(statement) != SQLITE_ROW) {
            fprintf(stderr, "partition %d: %s\n", partitions[i].partition, sqlite3_errmsg(database));
            broken = 1;
        } else {
            long long next = sqlite3_column_int64(statement, 0);
            owner[partitions[i].partition] = sqlite3_column_int64(statement, 1);
            if (kc_consumer_seek(consumer, partitions[i].topic, partitions[i].partition, next, &error) != KC_OK)
                broken = 1, fprintf(stderr, "%s\n", error.text);
        }
        sqlite3_finalize(statement);
    }
}

/* The records of one poll, and how far they lead, in one transaction. */
static int store_record(const kc_record_view *view, sqlite3_stmt *word, sqlite3_stmt *next)
{
    sqlite3_bind_text(word, 1, view->value.data, (int)view->value.size, SQLITE_TRANSIENT);
    int ok = sqlite3_step(word) == SQLITE_DONE;
    sqlite3_reset(word);
    sqlite3_bind_text(next, 1, view->topic, -1, SQLITE_TRANSIENT);
    sqlite3_bind_int(next, 2, view->partition);
    sqlite3_bind_int64(next, 3, view->offset + 1);
    sqlite3_bind_int64(next, 4, owner[view->partition]);
    ok = ok && sqlite3_step(next) == SQLITE_DONE && sqlite3_changes(database) == 1;
    sqlite3_reset(next);
    return ok;
}

static int store(kc_records *records)
{
    sqlite3_stmt *word = NULL, *next = NULL;
    kc_record_view view;
    int ok = execute("BEGIN IMMEDIATE");
    sqlite3_prepare_v2(database, count_word, -1, &word, NULL);
    sqlite3_prepare_v2(database, move_on, -1, &next, NULL);
    while (ok && kc_records_next(records, &view))
        ok = store_record(&view, word, next);
    sqlite3_finalize(word);
    sqlite3_finalize(next);
    if (ok && execute("COMMIT"))
        return 1;
    fprintf(stderr, "not stored: %s, or a partition has another owner\n", sqlite3_errmsg(database));
    execute("ROLLBACK");
    return 0;
}

int main(int argc, char **argv)
{
    kc_error error;
    long left = argc > 5 ? atol(argv[5]) : -1;
    if (argc < 5)
        return fprintf(stderr, "usage: %s BOOTSTRAP TOPIC GROUP DATABASE [COUNT]\n", argv[0]), 2;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (sqlite3_open(argv[4], &database) != SQLITE_OK || sqlite3_busy_timeout(database, 10000) != SQLITE_OK ||
        !execute(tables))
        return fprintf(stderr, "%s: %s\n", argv[4], sqlite3_errmsg(database)), 1;

    kc_config *config = kc_config_new();
    const char *const keys[] = { "bootstrap.servers", "group.id", "enable.auto.commit" };
    const char *const values[] = { argv[1], argv[3], "false" };
    if (!config || kc_config_set_many(config, keys, values, 3, &error) != KC_OK ||
        kc_consumer_create(&consumer, config, &error) != KC_OK)
        return fprintf(stderr, "%s\n", config ? error.text : "out of memory"), 1;
    kc_config_destroy(config);
    const char *topics[] = { argv[2] };
    kc_rebalance_listener listener = { NULL, on_assigned, NULL, NULL };
    int ok = kc_consumer_subscribe(consumer, topics, 1, &listener, &error) == KC_OK;

    while (ok && !ended && left != 0) {
        kc_records *records;
        ok = kc_consumer_poll(consumer, &records, 500, &error) == KC_OK;
        if (!ok)
            fprintf(stderr, "poll: %s\n", error.text);
        if (records) {
            long count = (long)kc_records_count(records);
            ok = ok && !broken && store(records);
            left = left < 0 ? left : count < left ? left - count : 0;
            printf("%ld stored\n", count);
            fflush(stdout);
        }
        ok = ok && !broken;
        kc_records_release(records);
    }
    ok &= kc_consumer_close(consumer, 10000) == KC_OK;
    sqlite3_close(database);
    return ok ? 0 : 1;
}
