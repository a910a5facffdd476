/* Topic patterns of a KIP-848 group, as Apache Kafka 4.3 treats them.  Holding a pattern against all topics takes time, so
 * it is not done in a heartbeat but after it, and not often; members work with what was found last:
 *
 *      heartbeat --is it time?--> all patterns of the group against all topics that the sender may see (DESCRIBE)
 *                                       '--next step--> in the log; group epoch + 1 if something else was found
 *
 * It is time when a pattern came or one is not resolved yet, when topics were made since, and when
 * group.consumer.regex.refresh.interval.ms are over; but never twice within ten seconds (of what is known of any
 * pattern: one that went takes its time with it).  A topic that is deleted goes at once: who subscribes to a name gets
 * partitions only of topics that exist.
 *
 * Invariants: a pattern is in the list once, with the number of its members; without members it is there only until
 * somebody prunes. */
#include "mockbroker/core/modern_pattern.h"

#include "mockbroker/core/authorize.h"
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/group_registry.h"
#include "mockbroker/core/modern_records.h"
#include "mockbroker/core/modern_write.h"
#include "mockbroker/core/re2.h"

#include <stdlib.h>

#define REST_MS 10000 /* between two looks */

/* ---- the list ---- */

static struct mb_modern_pattern *of_link(struct kci_list *node)
{
    return KCI_CONTAINER(node, struct mb_modern_pattern, link);
}

static struct mb_modern_pattern *find(const struct mb_modern *modern, struct kci_str text)
{
    KCI_LIST_EACH(node, &modern->patterns)
    {
        if (kci_str_equal(of_link(node)->text, text))
            return of_link(node);
    }
    return NULL;
}

static struct mb_modern_pattern *pattern_new(const struct kci_alloc *alloc, struct kci_list *list, struct kci_str text)
{
    struct mb_modern_pattern *pattern = kci_alloc_zero(alloc, 1, sizeof *pattern);
    if (!pattern)
        return NULL;
    pattern->text = mb_group_copy_str(alloc, text);
    if (!pattern->text.data) {
        kci_alloc_free(alloc, pattern);
        return NULL;
    }
    kci_list_push(list, &pattern->link);
    return pattern;
}

static void pattern_free(const struct kci_alloc *alloc, struct mb_modern_pattern *pattern)
{
    kci_list_remove(&pattern->link);
    kci_alloc_free(alloc, pattern->topics);
    kci_alloc_free(alloc, pattern->text.data);
    kci_alloc_free(alloc, pattern);
}

static void free_all(const struct kci_alloc *alloc, const struct kci_list *list)
{
    KCI_LIST_EACH(node, list)
    {
        pattern_free(alloc, of_link(node));
    }
}

void mb_modern_patterns_free(struct mb_group *group)
{
    mb_alarm_stop(mb_group_cluster(group), &group->modern->looking);
    free_all(mb_group_alloc(group), &group->modern->found);
    free_all(mb_group_alloc(group), &group->modern->patterns);
}

bool mb_modern_member_set_pattern(struct mb_modern_member *member, struct kci_str text,
                                  enum mb_modern_pattern_change *change)
{
    const struct kci_alloc *alloc = mb_group_alloc(member->group);
    struct kci_str former = member->pattern ? member->pattern->text : (struct kci_str){ "", 0 };
    struct mb_modern_pattern *pattern = text.size ? find(member->group->modern, text) : NULL;
    *change = MB_PATTERN_SAME;
    if (kci_str_equal(former, text) || (!former.size && !text.size))
        return true;
    *change = !text.size || (pattern && pattern->member_count && pattern->resolved) ? MB_PATTERN_OTHER_KNOWN
                                                                                    : MB_PATTERN_OTHER;
    if (text.size && !pattern)
        pattern = pattern_new(alloc, &member->group->modern->patterns, text);
    if (text.size && !pattern)
        return false;
    if (member->pattern)
        member->pattern->member_count--;
    if (pattern)
        pattern->member_count++;
    member->pattern = pattern;
    return true;
}

static int compare(const void *a, const void *b)
{
    return kci_str_compare(*(const struct kci_str *)a, *(const struct kci_str *)b);
}

bool mb_modern_member_subscribes(const struct mb_modern_member *member, struct kci_str topic)
{
    const struct mb_modern_pattern *pattern = member->pattern;
    return mb_modern_member_names(member, topic) ||
           (pattern && pattern->topic_count &&
            bsearch(&topic, pattern->topics, pattern->topic_count, sizeof topic, compare));
}

void mb_modern_patterns_prune(struct mb_group *group, struct mb_group_records *records)
{
    KCI_LIST_EACH(node, &group->modern->patterns)
    {
        struct mb_modern_pattern *pattern = of_link(node);
        if (pattern->member_count)
            continue;
        mb_modern_records_no_pattern(records, group, pattern->text);
        pattern_free(mb_group_alloc(group), pattern);
    }
}

bool mb_modern_pattern_load(struct mb_group *group, struct kci_str text, const struct kci_str *topics, size_t count,
                            int64_t version, int64_t resolved_ms)
{
    const struct kci_alloc *alloc = mb_group_alloc(group);
    struct mb_modern_pattern *pattern = find(group->modern, text);
    struct kci_str *copy = NULL;
    if (topics && !mb_modern_names_copy(alloc, topics, &count, &copy))
        return false;
    if (!pattern && topics)
        pattern = pattern_new(alloc, &group->modern->patterns, text);
    if (!pattern) {
        kci_alloc_free(alloc, copy);
        return !topics;
    }
    kci_alloc_free(alloc, pattern->topics);
    pattern->resolved = topics != NULL;
    pattern->topics = copy;
    pattern->topic_count = topics ? count : 0;
    pattern->version = version;
    pattern->resolved_ms = resolved_ms;
    if (!topics && !pattern->member_count)
        pattern_free(alloc, pattern);
    return true;
}

/* ---- looking ---- */

/* Against all topics. False: no memory. */
static bool look_for(struct mb_modern_pattern *pattern, const struct mb_request *request, struct kci_str *names)
{
    const struct mb_cluster *cluster = request->cluster;
    const struct mb_topic *topic;
    const char *why;
    size_t count = 0;
    struct mb_re2 *re2 = mb_re2_compile(cluster->alloc, pattern->text, &why);
    if (!re2 && !why)
        return false;
    for (size_t at = 0; re2 && (topic = mb_topic_next(cluster, &at)) != NULL;) {
        struct kci_str name = kci_str_of(topic->name);
        if (mb_re2_match(re2, name) && mb_authorize_topic(request, MB_ACL_DESCRIBE, name))
            names[count++] = name;
    }
    mb_re2_free(re2);
    pattern->topic_count = count;
    pattern->resolved = true;
    return mb_modern_names_copy(cluster->alloc, names, &pattern->topic_count, &pattern->topics);
}

static bool same_topics(const struct mb_modern_pattern *a, const struct mb_modern_pattern *b)
{
    bool same = a->topic_count == b->topic_count;
    for (size_t i = 0; same && i < a->topic_count; i++)
        same = kci_str_equal(a->topics[i], b->topics[i]);
    return same;
}

/* What was found becomes what is known. True: it is something else. */
static bool take_over(struct mb_group *group, struct mb_modern_pattern *found, struct mb_group_records *records)
{
    struct mb_modern_pattern *pattern = find(group->modern, found->text);
    if (!pattern || !pattern->member_count) /* nobody subscribes to it any more */
        return false;
    bool other = !same_topics(pattern, found);
    struct kci_str *topics = pattern->topics;
    pattern->topics = found->topics;
    found->topics = topics;
    pattern->topic_count = found->topic_count;
    pattern->version = found->version;
    pattern->resolved_ms = found->resolved_ms;
    pattern->resolved = true;
    mb_modern_records_pattern(records, group, pattern);
    return other;
}

static void looked(void *owner, int64_t now)
{
    struct mb_group *group = owner;
    struct mb_modern *modern = group->modern;
    struct mb_group_records records = mb_group_records_of(mb_group_alloc(group));
    bool bump = false, other_topics = false;
    KCI_LIST_EACH(node, &modern->found)
    {
        bump |= take_over(group, of_link(node), &records);
    }
    free_all(mb_group_alloc(group), &modern->found);
    bool done = mb_modern_refresh(group, &other_topics);
    if (done && (bump || other_topics)) {
        modern->epoch++;
        mb_modern_records_epoch(&records, group);
    }
    if (done)
        mb_modern_write(group, &records, NULL, NULL, now);
    else
        mb_modern_write_failed(group, &records, NULL, now);
}

static bool look(struct mb_group *group, const struct mb_request *request, int64_t now)
{
    struct mb_cluster *cluster = mb_group_cluster(group);
    struct mb_modern *modern = group->modern;
    struct kci_str *names = kci_alloc_zero(cluster->alloc, cluster->topics.count, sizeof *names);
    bool done = names != NULL;
    KCI_LIST_EACH(node, &modern->patterns)
    {
        const struct mb_modern_pattern *pattern = of_link(node);
        if (!done || !pattern->member_count)
            continue;
        struct mb_modern_pattern *found = pattern_new(cluster->alloc, &modern->found, pattern->text);
        done = found && look_for(found, request, names);
        if (!done)
            break;
        found->version = (int64_t)cluster->metadata_version;
        found->resolved_ms = mb_cluster_wall_ms(cluster, now);
    }
    kci_alloc_free(cluster->alloc, names);
    return done;
}

/* Is it time? */
static bool is_due(const struct mb_group *group, bool wanted, int64_t wall_ms)
{
    const struct mb_cluster *cluster = mb_group_cluster(group);
    size_t subscribed = 0, resolved = 0;
    int64_t since_ms = INT64_MAX;
    KCI_LIST_EACH(node, &group->modern->patterns)
    {
        const struct mb_modern_pattern *pattern = of_link(node);
        subscribed += pattern->member_count != 0;
        resolved += pattern->resolved;
        if (pattern->resolved && wall_ms - pattern->resolved_ms < since_ms)
            since_ms = wall_ms - pattern->resolved_ms;
    }
    if (subscribed == 0 || (since_ms >= 0 && since_ms <= REST_MS)) /* below 0: the clock was set back */
        return false;
    return wanted || subscribed != resolved || group->modern->topics_made != cluster->topics_made || since_ms < 0 ||
           since_ms > mb_cluster_property(cluster, "group.consumer.regex.refresh.interval.ms");
}

void mb_modern_patterns_refresh(struct mb_group *group, const struct mb_request *request,
                                enum mb_modern_pattern_change change, int64_t now)
{
    struct mb_cluster *cluster = mb_group_cluster(group);
    struct mb_modern *modern = group->modern;
    if (!kci_list_empty(&modern->found) || !is_due(group, change == MB_PATTERN_OTHER, mb_cluster_wall_ms(cluster, now)))
        return;
    if (!look(group, request, now)) { /* the next heartbeat tries again */
        free_all(cluster->alloc, &modern->found);
        return;
    }
    modern->topics_made = cluster->topics_made;
    modern->looking.fire = looked;
    modern->looking.owner = group;
    mb_alarm_set(cluster, &modern->looking, now);
}
