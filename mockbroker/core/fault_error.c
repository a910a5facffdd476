/* Errors in answers, for every API, by the schemas.
 *
 * An error *after* applying, and every error of an API that changes nothing, is put into the answer of the handler.  An
 * error *before* applying takes what it meets out of the request, so that it is not applied, makes the answer for that
 * part, and lets the handler do the rest; fault_plan.c puts both together.
 *
 *      level       error_code is set                     e.g. Fetch        e.g. OffsetFetch v8
 *      top         in the outermost struct that has one  the response      groups
 *      topic       one above the innermost               (none: innermost) topics (none: innermost)
 *      partition   in the innermost                      partitions        partitions */
#include "mockbroker/core/fault_target.h"

bool mb_fault_reads_only(int16_t key)
{
    static const int16_t keys[] = { KCI_API_FETCH,
                                    KCI_API_METADATA,
                                    KCI_API_LIST_OFFSETS,
                                    KCI_API_FIND_COORDINATOR,
                                    KCI_API_OFFSET_FETCH,
                                    KCI_API_DESCRIBE_GROUPS,
                                    KCI_API_LIST_GROUPS,
                                    KCI_API_API_VERSIONS,
                                    KCI_API_OFFSET_FOR_LEADER_EPOCH,
                                    KCI_API_DESCRIBE_CONFIGS,
                                    KCI_API_DESCRIBE_CLUSTER,
                                    KCI_API_DESCRIBE_CLIENT_QUOTAS,
                                    KCI_API_DESCRIBE_TOPIC_PARTITIONS,
                                    KCI_API_DESCRIBE_LOG_DIRS,
                                    KCI_API_DESCRIBE_PRODUCERS,
                                    KCI_API_DESCRIBE_TRANSACTIONS,
                                    KCI_API_LIST_TRANSACTIONS,
                                    KCI_API_CONSUMER_GROUP_DESCRIBE };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i] == key)
            return true;
    return false;
}

static bool is_array_of_structs(const struct kci_field *f)
{
    return f->flags & KCI_FIELD_ARRAY && f->structure;
}

static void *at(const void *structure, const struct kci_field *f)
{
    return (char *)(uintptr_t)structure + f->offset;
}

static char *elements(const void *structure, const struct kci_field *f)
{
    return *(char **)at(structure, f);
}

static int32_t *count_of(const void *structure, const struct kci_field *f)
{
    return (int32_t *)(void *)((char *)(uintptr_t)structure + f->count_offset);
}

static const struct kci_field *error_field(const struct kci_schema *schema, int16_t version)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, "error_code") == 0 && schema->fields[i].type == KCI_TYPE_INT16 &&
            kci_field_exists(&schema->fields[i], version))
            return &schema->fields[i];
    return NULL;
}

/* A bit for every depth at which there is an error_code. */
static unsigned depths_of(const struct kci_schema *schema, int16_t version, unsigned depth)
{
    unsigned depths = error_field(schema, version) ? 1u << depth : 0;
    for (size_t i = 0; i < schema->field_count; i++)
        if (is_array_of_structs(&schema->fields[i]) && kci_field_exists(&schema->fields[i], version))
            depths |= depths_of(schema->fields[i].structure, version, depth + 1);
    return depths;
}

/* ---- putting an error in ---- */

struct stamp {
    const struct mb_fault *fault;
    unsigned depth;  /* at which error codes are set */
    bool innermost;  /* there are none below */
    bool everything; /* whatever topics the fault is about */
    int count;       /* set */
};

static bool choose_depth(const struct mb_request *request, const struct mb_fault *fault, struct stamp *out)
{
    enum mb_fault_level level = fault->action.level;
    unsigned depths = depths_of(request->api->response, request->header.version, 0), top = 0, last = 0;
    if (!depths)
        return false;
    while (!(depths >> top & 1))
        top++;
    for (unsigned i = top; i < 16; i++)
        last = depths >> i & 1 ? i : last;
    if (level == MB_LEVEL_AUTO) /* where clients look for most of the API's errors */
        switch (request->header.api_key) {
        case KCI_API_METADATA:
        case KCI_API_DESCRIBE_TOPIC_PARTITIONS:
            level = MB_LEVEL_TOPIC;
            break;
        case KCI_API_OFFSET_FETCH:
        case KCI_API_LEAVE_GROUP:
            level = MB_LEVEL_TOP;
            break;
        default:
            level = MB_LEVEL_PARTITION;
            break;
        }
    *out = (struct stamp){ .fault = fault };
    out->depth = level == MB_LEVEL_TOP                                             ? top
                 : level == MB_LEVEL_TOPIC && last > 0 && depths >> (last - 1) & 1 ? last - 1
                                                                                   : last;
    out->innermost = out->depth == last;
    return true;
}

/* What goes with an error: no records, no offsets, nothing below. */
static void empty(const struct kci_schema *schema, void *structure, int16_t version, bool innermost)
{
    static const char *const unknown[] = { "base_offset",
                                           "offset",
                                           "timestamp",
                                           "high_watermark",
                                           "committed_offset",
                                           "producer_id",
                                           "last_stable_offset",
                                           "end_offset",
                                           "log_start_offset",
                                           "node_id",
                                           "port",
                                           "producer_epoch",
                                           "low_watermark" };
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        if (!kci_field_exists(f, version))
            continue;
        if (is_array_of_structs(f) && !innermost && depths_of(f->structure, version, 0))
            *count_of(structure, f) = 0;
        if (f->flags & KCI_FIELD_ARRAY)
            continue;
        if (f->type == KCI_TYPE_RECORDS)
            *(struct kci_bytes *)at(structure, f) = (struct kci_bytes){ (const uint8_t *)"", 0 };
        if (f->type == KCI_TYPE_STRING && strcmp(f->name, "host") == 0)
            *(struct kci_str *)at(structure, f) = kci_str_of("");
        for (size_t k = 0; k < sizeof unknown / sizeof unknown[0]; k++)
            if (strcmp(f->name, unknown[k]) == 0 && kci_field_size(f) <= 8 && f->type >= KCI_TYPE_INT8 &&
                f->type <= KCI_TYPE_INT64)
                memset(at(structure, f), 0xff, kci_field_size(f)); /* -1 */
    }
}

static void stamp_struct(struct stamp *stamp, const struct kci_schema *schema, void *structure, unsigned depth,
                         const struct mb_scope *outer)
{
    struct mb_scope scope = mb_scope_enter(outer, schema, structure);
    const struct kci_field *error = error_field(schema, scope.version);
    struct mb_fault_match match = stamp->fault->match;
    if (stamp->everything || !scope.topic.size) /* what is not known here cannot be wrong here */
        match.topic[0] = '\0';
    if (stamp->everything || scope.partition < 0)
        match.partition = -1;
    match.group[0] = match.transactional_id[0] = '\0';
    if (!mb_scope_matches(&scope, &match))
        return;
    if (depth == stamp->depth) {
        if (error) {
            *(int16_t *)at(structure, error) = stamp->fault->action.error;
            empty(schema, structure, scope.version, stamp->innermost);
            stamp->count++;
        }
        return;
    }
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        if (!is_array_of_structs(f) || !kci_field_exists(f, scope.version))
            continue;
        for (int32_t k = 0; k < *count_of(structure, f); k++)
            stamp_struct(stamp, f->structure, elements(structure, f) + (size_t)k * kci_field_size(f), depth + 1,
                         &scope);
    }
}

static bool stamp_all(struct mb_fault_plan *plan, void *response, const struct mb_fault *fault, bool everything,
                      int *count)
{
    struct mb_scope scope = mb_scope_of(plan->request);
    struct stamp stamp;
    if (!choose_depth(plan->request, fault, &stamp))
        return false;
    stamp.everything = everything;
    stamp_struct(&stamp, plan->request->api->response, response, 0, &scope);
    *count = stamp.count;
    return true;
}

bool mb_fault_stamp(struct mb_fault_plan *plan, void *response, const struct mb_fault *fault)
{
    int count; /* none: what matched is not in the answer, as with partitions that a fetch leaves out */
    return stamp_all(plan, response, fault, false, &count);
}

/* ---- taking a part out of the request ---- */

/* The arrays of request and response whose elements correspond: topics, or groups. */
struct pair {
    const struct kci_field *asked, *answered;
    int16_t version;
    struct kci_arena *arena;
};

static const struct kci_field *find_partitions(const struct kci_schema *schema, int16_t version)
{
    for (size_t i = 0; schema && i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        if (!(f->flags & KCI_FIELD_ARRAY) || !kci_field_exists(f, version))
            continue;
        if (f->type == KCI_TYPE_INT32 &&
            (strcmp(f->name, "partitions") == 0 || strcmp(f->name, "partition_indexes") == 0))
            return f;
        for (size_t k = 0; f->structure && k < f->structure->field_count; k++)
            if (mb_target_is_partition_field(f->structure, &f->structure->fields[k]))
                return f;
    }
    return NULL;
}

static bool find_pair(const struct mb_request *request, struct pair *pair)
{
    const struct kci_schema *asked = request->api->request, *answered = request->api->response;
    int16_t version = request->header.version;
    *pair = (struct pair){ .version = version };
    for (size_t i = 0; i < asked->field_count && !pair->asked; i++)
        if (asked->fields[i].flags & KCI_FIELD_ARRAY && kci_field_exists(&asked->fields[i], version) &&
            (asked->fields[i].structure || asked->fields[i].type == KCI_TYPE_STRING) &&
            *count_of(request->body, &asked->fields[i]) > 0)
            pair->asked = &asked->fields[i];
    for (size_t i = 0; i < answered->field_count && !pair->answered; i++)
        if (is_array_of_structs(&answered->fields[i]) && kci_field_exists(&answered->fields[i], version) &&
            depths_of(answered->fields[i].structure, version, 0))
            pair->answered = &answered->fields[i];
    return pair->asked && pair->answered;
}

static const struct kci_field *first_of_type(const struct kci_schema *schema, int16_t version, enum kci_type type)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (schema->fields[i].type == type && !(schema->fields[i].flags & KCI_FIELD_ARRAY) &&
            kci_field_exists(&schema->fields[i], version))
            return &schema->fields[i];
    return NULL;
}

/* Name and id of an element of the answer, from that of the request. */
static void copy_identity(const struct pair *pair, void *out, const void *in)
{
    static const enum kci_type types[] = { KCI_TYPE_STRING, KCI_TYPE_UUID };
    for (size_t i = 0; i < 2; i++) {
        const struct kci_field *to = first_of_type(pair->answered->structure, pair->version, types[i]);
        const struct kci_field *from =
            pair->asked->structure ? first_of_type(pair->asked->structure, pair->version, types[i]) : NULL;
        if (to && from)
            memcpy(at(out, to), at(in, from), kci_field_size(to));
        else if (to && !pair->asked->structure && types[i] == KCI_TYPE_STRING)
            memcpy(at(out, to), in, kci_field_size(to));
    }
}

static int32_t partition_at(const struct kci_field *f, const char *element)
{
    for (size_t i = 0; f->structure && i < f->structure->field_count; i++)
        if (mb_target_is_partition_field(f->structure, &f->structure->fields[i]))
            return *(const int32_t *)at(element, &f->structure->fields[i]);
    return *(const int32_t *)(const void *)element;
}

/* Move the partitions that match from the topic of the request to that of the answer. Returns how many stay; -1: no
 * memory. */
static int32_t move_partitions(const struct pair *pair, void *out, void *in, const struct mb_fault_match *match)
{
    const struct kci_field *from = find_partitions(pair->asked->structure, pair->version);
    const struct kci_field *to = find_partitions(pair->answered->structure, pair->version);
    if (!from || !to || !to->structure)
        return 0;
    int32_t count = *count_of(in, from), stay = 0, *moved = count_of(out, to);
    size_t from_size = kci_field_size(from), to_size = kci_field_size(to);
    char *target = kci_arena_array(pair->arena, count > 0 ? (size_t)count : 1, to_size);
    if (!target)
        return -1;
    *(char **)at(out, to) = target;
    *moved = 0;
    for (int32_t i = 0; i < count; i++) {
        char *element = elements(in, from) + (size_t)i * from_size;
        int32_t index = partition_at(from, element);
        if (match->partition >= 0 && match->partition != index) {
            memmove(elements(in, from) + (size_t)stay++ * from_size, element, from_size);
            continue;
        }
        char *answer = target + (size_t)(*moved)++ * to_size;
        kci_codec_init(to->structure, answer);
        for (size_t k = 0; k < to->structure->field_count; k++)
            if (mb_target_is_partition_field(to->structure, &to->structure->fields[k]))
                *(int32_t *)at(answer, &to->structure->fields[k]) = index;
    }
    *count_of(in, from) = stay;
    return stay;
}

/* Elements of the request that match go to the answer. false: no memory. */
static bool move_elements(const struct mb_request *request, const struct pair *pair, void *response,
                          const struct mb_fault_match *match)
{
    int32_t count = *count_of(request->body, pair->asked), stay = 0, *moved = count_of(response, pair->answered);
    size_t in_size = kci_field_size(pair->asked), out_size = kci_field_size(pair->answered);
    char *target = kci_arena_array(pair->arena, (size_t)count, out_size);
    struct mb_fault_match topic = { .partition = -1 };
    memcpy(topic.topic, match->topic, sizeof topic.topic);
    if (!target)
        return false;
    *(char **)at(response, pair->answered) = target;
    *moved = 0;
    for (int32_t i = 0; i < count; i++) {
        char *element = elements(request->body, pair->asked) + (size_t)i * in_size;
        struct mb_scope scope = mb_scope_of(request);
        if (pair->asked->structure)
            scope = mb_scope_enter(&scope, pair->asked->structure, element);
        else
            memcpy(&scope.topic, element, sizeof scope.topic);
        int32_t staying = 1;
        if (mb_scope_matches(&scope, &topic)) {
            char *answer = target + (size_t)*moved * out_size;
            kci_codec_init(pair->answered->structure, answer);
            copy_identity(pair, answer, element);
            staying = move_partitions(pair, answer, element, match);
            const struct kci_field *partitions = find_partitions(pair->answered->structure, pair->version);
            *moved += !partitions || *count_of(answer, partitions) > 0 || staying == 0;
        }
        if (staying < 0)
            return false;
        if (staying)
            memmove(elements(request->body, pair->asked) + (size_t)stay++ * in_size, element, in_size);
    }
    *count_of(request->body, pair->asked) = stay;
    return true;
}

bool mb_fault_refuse_part(struct mb_fault_plan *plan, const struct mb_fault *fault)
{
    struct mb_request *request = plan->request;
    struct pair pair;
    struct stamp stamp;
    int count = 0;
    void *response = kci_arena_take(&request->arena, kci_schema_size(request->api->response)), *former = plan->refused;
    plan->refused = NULL;
    if (!response || !choose_depth(request, fault, &stamp))
        return true;
    kci_codec_init(request->api->response, response);
    bool whole = stamp.depth == 0 || !find_pair(request, &pair);
    if (!whole) {
        pair.arena = &request->arena;
        if (!move_elements(request, &pair, response, &fault->match))
            return true;
    }
    if (!stamp_all(plan, response, fault, true, &count) || (!count && !former))
        return true;
    plan->refused = former;
    if (former && !whole)
        mb_fault_merge(plan, response, NULL);
    plan->refused = response;
    return whole || *count_of(request->body, pair.asked) == 0;
}

/* ---- putting the answers together ---- */

bool mb_fault_merge(struct mb_fault_plan *plan, void *response, void *user)
{
    const struct kci_schema *schema = plan->request->api->response;
    (void)user;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct kci_field *f = &schema->fields[i];
        if (!is_array_of_structs(f) || !kci_field_exists(f, plan->request->header.version) ||
            *count_of(plan->refused, f) <= 0)
            continue;
        size_t size = kci_field_size(f), mine = (size_t)*count_of(response, f);
        size_t theirs = (size_t)*count_of(plan->refused, f);
        char *all = kci_arena_array(&plan->request->arena, mine + theirs, size);
        if (!all)
            return false;
        if (mine)
            memcpy(all, elements(response, f), mine * size);
        memcpy(all + mine * size, elements(plan->refused, f), theirs * size);
        *(char **)at(response, f) = all;
        *count_of(response, f) = (int32_t)(mine + theirs);
    }
    return true;
}
