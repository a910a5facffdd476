/* The walk over a decoded message by its schema.  Kafka's own field names tell what is a topic and what is a partition:
 *
 *      topic         topic, topic_name; name in a struct with "Topic" in its own; topic_id; elements of topics, topic_names
 *      partition     partition, partition_index; index in a struct with "Partition"; elements of partitions,
 *                    partition_indexes
 *      group         group_id; group; elements of groups, groups_names; FindCoordinator's keys of type 0
 *      transaction   transactional_id; FindCoordinator's keys of type 1
 *
 * A match is looked for at every level: a topic alone matches at the topic, a partition needs both. */
#include "mockbroker/core/fault_target.h"

struct mb_scope mb_scope_of(const struct mb_request *request)
{
    return (struct mb_scope){ .cluster = request->cluster, .version = request->header.version, .partition = -1 };
}

static bool one_of(const char *name, const char *a, const char *b)
{
    return strcmp(name, a) == 0 || strcmp(name, b) == 0;
}

bool mb_target_is_topic_field(const struct kci_schema *schema, const struct kci_field *f)
{
    return f->type == KCI_TYPE_STRING && !(f->flags & KCI_FIELD_ARRAY) &&
           (one_of(f->name, "topic", "topic_name") || (strcmp(f->name, "name") == 0 && strstr(schema->name, "Topic")));
}

bool mb_target_is_partition_field(const struct kci_schema *schema, const struct kci_field *f)
{
    return f->type == KCI_TYPE_INT32 && !(f->flags & KCI_FIELD_ARRAY) &&
           (one_of(f->name, "partition", "partition_index") ||
            (strcmp(f->name, "index") == 0 && strstr(schema->name, "Partition")));
}

static const void *member(const void *structure, const struct kci_field *f)
{
    return (const char *)structure + f->offset;
}

static struct kci_str string_at(const void *at)
{
    struct kci_str text;
    memcpy(&text, at, sizeof text);
    return text;
}

struct mb_scope mb_scope_enter(const struct mb_scope *outer, const struct kci_schema *schema, const void *structure)
{
    struct mb_scope scope = *outer;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        if (!kci_field_exists(f, scope.version) || f->flags & KCI_FIELD_ARRAY)
            continue;
        if (mb_target_is_topic_field(schema, f) && string_at(member(structure, f)).size)
            scope.topic = string_at(member(structure, f));
        else if (mb_target_is_partition_field(schema, f))
            scope.partition = *(const int32_t *)member(structure, f);
        else if (f->type == KCI_TYPE_STRING && one_of(f->name, "group_id", "group"))
            scope.group = string_at(member(structure, f));
        else if (f->type == KCI_TYPE_STRING && strcmp(f->name, "transactional_id") == 0)
            scope.transactional_id = string_at(member(structure, f));
        else if (f->type == KCI_TYPE_UUID && strcmp(f->name, "topic_id") == 0 &&
                 !kci_uuid_is_zero(member(structure, f)))
            scope.topic = mb_cluster_topic_name(scope.cluster, member(structure, f));
    }
    return scope;
}

bool mb_scope_matches(const struct mb_scope *scope, const struct mb_fault_match *match)
{
    return (!match->topic[0] || mb_fault_name_matches(match->topic, scope->topic)) &&
           (match->partition < 0 || match->partition == scope->partition) &&
           (!match->group[0] || mb_fault_name_matches(match->group, scope->group)) &&
           (!match->transactional_id[0] || mb_fault_name_matches(match->transactional_id, scope->transactional_id));
}

/* A question about every place of a message; true ends the walk. */
struct question {
    bool (*ask)(const struct mb_scope *scope, void *user);
    void *user;
};

static bool walk(const struct kci_schema *schema, const void *structure, const struct mb_scope *outer,
                 const struct question *question);

/* Arrays of plain strings or numbers that name something. */
static bool walk_plain(const struct kci_field *f, const void *elements, int32_t count, const struct mb_scope *scope,
                       const struct question *question)
{
    bool topics = one_of(f->name, "topics", "topic_names"), groups = one_of(f->name, "groups", "groups_names");
    bool partitions = one_of(f->name, "partitions", "partition_indexes");
    for (int32_t i = 0; i < count; i++) {
        struct mb_scope inner = *scope;
        if (f->type == KCI_TYPE_STRING && topics)
            inner.topic = ((const struct kci_str *)elements)[i];
        else if (f->type == KCI_TYPE_STRING && groups)
            inner.group = ((const struct kci_str *)elements)[i];
        else if (f->type == KCI_TYPE_INT32 && partitions)
            inner.partition = ((const int32_t *)elements)[i];
        else
            return false;
        if (question->ask(&inner, question->user))
            return true;
    }
    return false;
}

static bool walk_array(const struct kci_field *f, const void *structure, const struct mb_scope *scope,
                       const struct question *question)
{
    const char *elements = *(const char *const *)member(structure, f);
    int32_t count = kci_field_count(f, structure);
    if (!f->structure)
        return walk_plain(f, elements, count, scope, question);
    for (int32_t i = 0; i < count; i++)
        if (walk(f->structure, elements + (size_t)i * kci_field_size(f), scope, question))
            return true;
    return false;
}

static bool walk(const struct kci_schema *schema, const void *structure, const struct mb_scope *outer,
                 const struct question *question)
{
    struct mb_scope scope = mb_scope_enter(outer, schema, structure);
    if (question->ask(&scope, question->user))
        return true;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        if (!kci_field_exists(f, scope.version))
            continue;
        if (f->flags & KCI_FIELD_ARRAY) {
            if (walk_array(f, structure, &scope, question))
                return true;
        } else if (f->type == KCI_TYPE_STRUCT) {
            const void *inner =
                f->flags & KCI_FIELD_POINTER ? *(const void *const *)member(structure, f) : member(structure, f);
            if (inner && walk(f->structure, inner, &scope, question))
                return true;
        }
    }
    return false;
}

/* FindCoordinator names its groups and transactional ids as keys. */
static bool walk_keys(const struct mb_request *request, const struct question *question)
{
    const struct kci_find_coordinator_request *body = request->body;
    int32_t count = request->header.version >= 4 ? body->coordinator_keys_count : 1;
    for (int32_t i = 0; i < count; i++) {
        struct mb_scope scope = mb_scope_of(request);
        struct kci_str key = request->header.version >= 4 ? body->coordinator_keys[i] : body->key;
        *(body->key_type == 1 ? &scope.transactional_id : &scope.group) = key;
        if (question->ask(&scope, question->user))
            return true;
    }
    return false;
}

static bool walk_request(const struct mb_request *request, const struct question *question)
{
    struct mb_scope scope = mb_scope_of(request);
    return request->header.api_key == KCI_API_FIND_COORDINATOR
               ? walk_keys(request, question)
               : walk(request->api->request, request->body, &scope, question);
}

static bool ask_match(const struct mb_scope *scope, void *match)
{
    return mb_scope_matches(scope, match);
}

bool mb_target_matches(const struct mb_request *request, const struct mb_fault_match *match)
{
    struct mb_fault_match copy = *match;
    return walk_request(request, &(struct question){ ask_match, &copy });
}

struct naming {
    void (*topic)(void *user, struct kci_str name);
    void (*group)(void *user, struct kci_str name);
    void *user;
};

static bool ask_names(const struct mb_scope *scope, void *user)
{
    const struct naming *naming = user;
    if (scope->topic.size && scope->partition < 0)
        naming->topic(naming->user, scope->topic);
    if (scope->group.size && !scope->topic.size)
        naming->group(naming->user, scope->group);
    return false;
}

void mb_target_names(const struct mb_request *request, void (*topic)(void *user, struct kci_str name),
                     void (*group)(void *user, struct kci_str name), void *user)
{
    struct naming naming = { topic, group, user };
    walk_request(request, &(struct question){ ask_names, &naming });
}
