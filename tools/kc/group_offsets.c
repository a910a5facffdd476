/* kc group lag, reset and delete-offsets: the committed offsets of a group, next to what is in the log. */
#include "group.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* One partition of the group: committed, or read by a member, or both. */
struct row {
    char *topic; /* owned */
    int32_t partition;
    int64_t committed; /* KC_OFFSET_NONE: nothing */
    int64_t first, end;
    const char *member, *client; /* borrowed of the description; NULL: nobody reads it */
    int64_t target;              /* of reset */
    double moved_at;             /* seconds: when `committed` changed last, as far as we saw */
};

struct rows {
    struct row *rows;
    size_t count;
};

static void free_rows(struct rows *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->rows[i].topic);
    free(r->rows);
    *r = (struct rows){ NULL, 0 };
}

static struct row *find_row(const struct rows *r, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i].partition == partition && strcmp(r->rows[i].topic, topic) == 0)
            return &r->rows[i];
    return NULL;
}

/* The row of a partition, made if it is not there; NULL: no memory. */
static struct row *want_row(struct rows *r, const char *topic, int32_t partition)
{
    struct row *row = find_row(r, topic, partition);
    if (row)
        return row;
    struct row *grown = realloc(r->rows, (r->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    r->rows = grown;
    row = &grown[r->count];
    *row = (struct row){ .topic = strdup(topic), .partition = partition, .committed = KC_OFFSET_NONE };
    if (!row->topic)
        return NULL;
    r->count++;
    return row;
}

/* Does -t name this partition? Without any -t all are meant. */
static bool is_meant(const struct group_command *c, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < c->topic_count; i++) {
        const char *colon = strrchr(c->topics[i], ':');
        size_t size = colon ? (size_t)(colon - c->topics[i]) : strlen(c->topics[i]);
        if (strlen(topic) == size && memcmp(topic, c->topics[i], size) == 0 && (!colon || atoi(colon + 1) == partition))
            return true;
    }
    return c->topic_count == 0;
}

static int add_committed(const struct group_command *c, const char *group, struct rows *r)
{
    kc_error error;
    kc_group_offsets *offsets;
    if (kc_admin_group_offsets(c->admin, group, c->timeout_ms, &offsets, &error) != KC_OK)
        return kct_fail(KC_EXIT_FAILED, "%s", error.text);
    int status = KC_EXIT_OK;
    for (size_t i = 0; i < offsets->count; i++) {
        const kc_topic_partition *p = &offsets->offsets[i];
        struct row *row = is_meant(c, p->topic, p->partition) ? want_row(r, p->topic, p->partition) : NULL;
        if (row)
            row->committed = p->offset;
        else if (is_meant(c, p->topic, p->partition))
            status = kct_fail(KC_EXIT_FAILED, "out of memory");
    }
    kc_group_offsets_release(offsets);
    return status;
}

/* First and end offset of each row. */
static int look_up(kc_consumer *consumer, const struct group_command *c, struct rows *r)
{
    kc_error error;
    for (size_t i = 0; i < r->count; i++) {
        struct row *row = &r->rows[i];
        if (kc_consumer_watermarks(consumer, row->topic, row->partition, &row->first, &row->end, c->timeout_ms,
                                   &error) != KC_OK)
            return kct_fail(KC_EXIT_FAILED, "offsets of %s [%d]: %s", row->topic, row->partition, error.text);
    }
    return KC_EXIT_OK;
}

static int open_consumer(const struct group_command *c, kc_consumer **out)
{
    kc_error error;
    if (kc_consumer_create(out, c->config, &error) != KC_OK)
        return kct_fail_error("connecting", &error);
    return KC_EXIT_OK;
}

/* ---- lag ---- */

static int by_place(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int names = strcmp(x->topic, y->topic);
    return names ? names : (x->partition > y->partition) - (x->partition < y->partition);
}

/* What a look at the group alone can tell; why a consumer waits, kc_consumer_get_state() tells inside it. */
static void print_row(const struct row *row, const struct row *before, double now)
{
    int64_t from = row->committed >= 0 ? row->committed : row->first;
    int64_t lag = row->end > from ? row->end - from : 0;
    printf("%s\t%d\t", row->topic, row->partition);
    if (row->committed >= 0)
        printf("%lld", (long long)row->committed);
    else
        printf("-");
    printf("\t%lld\t%lld\t%s\t%s\t", (long long)row->end, (long long)lag, row->client ? row->client : "-",
           row->member ? row->member : "-");
    if (row->committed > row->end || (row->committed >= 0 && row->committed < row->first))
        printf("out of range\n");
    else if (lag == 0)
        printf("up to date\n");
    else if (!row->member)
        printf("nobody reads it\n");
    else if (!before)
        printf("behind\n");
    else if (now - row->moved_at < 0.001)
        printf("moving\n");
    else
        printf("not moved for %.0f s\n", now - row->moved_at);
}

/* One look; `last` is what the one before saw, and becomes this one. */
static int look(const struct group_command *c, const char *id, kc_consumer *consumer, struct rows *last)
{
    struct rows r = { NULL, 0 };
    kc_error error;
    kc_group_description *group = NULL;
    double now = kct_seconds();
    kc_err err = kc_admin_describe_group(c->admin, id, c->timeout_ms, &group, &error);
    if (err != KC_OK)
        return kct_fail(KC_EXIT_FAILED, "%s", error.text);
    int status = add_committed(c, id, &r);
    for (size_t i = 0; status == KC_EXIT_OK && i < group->member_count; i++)
        for (size_t j = 0; j < group->members[i].assigned_count; j++) {
            const kc_topic_partition *p = &group->members[i].assigned[j];
            struct row *row = is_meant(c, p->topic, p->partition) ? want_row(&r, p->topic, p->partition) : NULL;
            if (row) {
                row->member = group->members[i].member_id;
                row->client = group->members[i].client_id;
            }
        }
    if (status == KC_EXIT_OK)
        status = look_up(consumer, c, &r);
    if (r.count)
        qsort(r.rows, r.count, sizeof r.rows[0], by_place);
    if (status == KC_EXIT_OK)
        printf("# %s\t%s\t%zu members\n# topic\tpartition\tcommitted\tend\tlag\tclient\tmember\tstate\n", id,
               group->state, group->member_count);
    for (size_t i = 0; status == KC_EXIT_OK && i < r.count; i++) {
        const struct row *before = find_row(last, r.rows[i].topic, r.rows[i].partition);
        r.rows[i].moved_at = before && before->committed == r.rows[i].committed ? before->moved_at : now;
        print_row(&r.rows[i], before, now);
    }
    fflush(stdout);
    for (size_t i = 0; i < r.count; i++)
        r.rows[i].member = r.rows[i].client = NULL;
    kc_group_description_release(group);
    free_rows(last);
    *last = r;
    return status;
}

int kct_group_lag(const struct group_command *c, const char *group)
{
    kc_consumer *consumer;
    struct rows last = { NULL, 0 };
    int status = open_consumer(c, &consumer);
    if (status != KC_EXIT_OK)
        return status;
    do {
        status = look(c, group, consumer, &last);
        struct timespec pause = { c->interval_ms / 1000, c->interval_ms % 1000 * 1000000L };
        if (c->watch && status == KC_EXIT_OK && !kct_interrupted)
            nanosleep(&pause, NULL);
    } while (c->watch && status == KC_EXIT_OK && !kct_interrupted);
    free_rows(&last);
    kc_consumer_close(consumer, 0);
    return status;
}

/* ---- reset ---- */

/* All partitions of the topics that -t names. */
static int add_topics(const struct group_command *c, struct rows *r)
{
    for (size_t i = 0; i < c->topic_count; i++) {
        char name[300];
        kc_topic_partition *all;
        size_t count;
        const char *colon = strrchr(c->topics[i], ':');
        snprintf(name, sizeof name, "%.*s", colon ? (int)(colon - c->topics[i]) : (int)strlen(c->topics[i]),
                 c->topics[i]);
        int status = kct_all_partitions(c->config, name, 0, &all, &count);
        if (status != KC_EXIT_OK)
            return status;
        bool found = false;
        for (size_t j = 0; j < count; j++)
            if (!colon || atoi(colon + 1) == all[j].partition)
                found |= want_row(r, name, all[j].partition) != NULL;
        free(all);
        if (!found)
            return kct_fail(KC_EXIT_FAILED, "%s: there is no such partition", c->topics[i]);
    }
    return KC_EXIT_OK;
}

static int by_time(kc_consumer *consumer, const struct group_command *c, int64_t ms, struct row *row)
{
    kc_error error;
    kc_topic_partition one = { row->topic, row->partition, ms, -1, NULL, KC_OK };
    if (kc_consumer_offsets_for_times(consumer, &one, 1, c->timeout_ms, &error) != KC_OK)
        return kct_fail_error("looking for the offset of that time", &error);
    row->target = one.offset >= 0 ? one.offset : row->end;
    return KC_EXIT_OK;
}

static int aim(kc_consumer *consumer, const struct group_command *c, struct row *row)
{
    const char *to = c->to;
    long long number = 0;
    int status = KC_EXIT_OK;
    bool shift = *to == '+' || *to == '-';
    if (strcmp(to, "beginning") == 0 || strcmp(to, "earliest") == 0)
        row->target = row->first;
    else if (strcmp(to, "end") == 0 || strcmp(to, "latest") == 0)
        row->target = row->end;
    else if (!kct_number("group", "-o", *to == '@' || *to == '+' ? to + 1 : to, INT64_MIN / 2, INT64_MAX / 2, &number))
        return KC_EXIT_USAGE;
    else if (*to == '@')
        status = by_time(consumer, c, number, row);
    else if (shift && row->committed < 0)
        return kct_fail(KC_EXIT_FAILED, "%s [%d]: nothing is committed, so there is nothing to shift", row->topic,
                        row->partition);
    else
        row->target = shift ? row->committed + number : number;
    if (row->target < row->first)
        row->target = row->first;
    if (row->target > row->end)
        row->target = row->end;
    return status;
}

static int commit_rows(const struct group_command *c, const char *group, const struct rows *r)
{
    kc_error error;
    int status = KC_EXIT_OK;
    kc_topic_partition *offsets = calloc(r->count ? r->count : 1, sizeof *offsets);
    if (!offsets)
        return kct_fail(KC_EXIT_FAILED, "out of memory");
    for (size_t i = 0; i < r->count; i++)
        offsets[i] = (kc_topic_partition){ r->rows[i].topic, r->rows[i].partition, r->rows[i].target, -1, NULL, KC_OK };
    kc_err err = kc_admin_set_group_offsets(c->admin, group, offsets, r->count, c->timeout_ms, &error);
    if (err == KC_ERR_UNKNOWN_MEMBER_ID || err == KC_ERR_REBALANCE_IN_PROGRESS)
        status = kct_fail(KC_EXIT_FAILED, "group %s has members: stop them first (%s)", group, kc_err_name(err));
    else if (err != KC_OK)
        status = kct_fail(KC_EXIT_FAILED, "%s", error.text);
    free(offsets);
    return status;
}

int kct_group_reset(const struct group_command *c, const char *group)
{
    kc_consumer *consumer;
    struct rows r = { NULL, 0 };
    if (!c->to || !c->topic_count)
        return kct_usage("group", "reset needs -t TOPIC and -o WHERE");
    int status = open_consumer(c, &consumer);
    if (status != KC_EXIT_OK)
        return status;
    status = add_topics(c, &r);
    if (status == KC_EXIT_OK)
        status = add_committed(c, group, &r);
    if (status == KC_EXIT_OK)
        status = look_up(consumer, c, &r);
    for (size_t i = 0; status == KC_EXIT_OK && i < r.count; i++)
        status = aim(consumer, c, &r.rows[i]);
    if (r.count)
        qsort(r.rows, r.count, sizeof r.rows[0], by_place);
    if (status == KC_EXIT_OK && !c->dry_run)
        status = commit_rows(c, group, &r);
    for (size_t i = 0; status == KC_EXIT_OK && i < r.count; i++) {
        if (r.rows[i].committed >= 0)
            printf("%s\t%d\t%lld -> %lld%s\n", r.rows[i].topic, r.rows[i].partition, (long long)r.rows[i].committed,
                   (long long)r.rows[i].target, c->dry_run ? "\t(not done)" : "");
        else
            printf("%s\t%d\t- -> %lld%s\n", r.rows[i].topic, r.rows[i].partition, (long long)r.rows[i].target,
                   c->dry_run ? "\t(not done)" : "");
    }
    free_rows(&r);
    kc_consumer_close(consumer, 0);
    return status;
}

/* ---- delete-offsets ---- */

int kct_group_delete_offsets(const struct group_command *c, const char *group)
{
    struct rows r = { NULL, 0 };
    kc_error error;
    if (!c->topic_count)
        return kct_usage("group", "delete-offsets needs -t TOPIC");
    int status = add_committed(c, group, &r);
    if (status == KC_EXIT_OK && r.count == 0)
        status = kct_fail(KC_EXIT_FAILED, "group %s has committed nothing for that", group);
    kc_topic_partition *offsets = calloc(r.count ? r.count : 1, sizeof *offsets);
    if (status == KC_EXIT_OK && !offsets)
        status = kct_fail(KC_EXIT_FAILED, "out of memory");
    for (size_t i = 0; status == KC_EXIT_OK && i < r.count; i++)
        offsets[i] = (kc_topic_partition){ r.rows[i].topic, r.rows[i].partition, 0, -1, NULL, KC_OK };
    if (status == KC_EXIT_OK &&
        kc_admin_delete_group_offsets(c->admin, group, offsets, r.count, c->timeout_ms, &error) != KC_OK)
        status = kct_fail(KC_EXIT_FAILED, "%s", error.text);
    free(offsets);
    free_rows(&r);
    return status;
}
