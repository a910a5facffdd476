/* DescribeClientQuotas and AlterClientQuotas (KIP-546): limits by user, client id and address.  What they do to clients
 * is in quota.c. */
#include "mockbroker/core/quota.h"

#include "mockbroker/core/cluster.h"

#include <math.h>
#include <stdio.h>

#define TEXT_BYTES  320
#define ENTRIES_MAX 2000 /* of one request: each is compared with all others */
#define PARTS_MAX   10   /* of an entity: there are three kinds */

typedef struct kci_describe_client_quotas_request__component_data component_in;
typedef struct kci_describe_client_quotas_response__entry_data entry_out;
typedef struct kci_alter_client_quotas_request__entry_data entry_in;

static const char *copy_text(struct mb_request *request, const char *text)
{
    return kci_arena_text(&request->arena, kci_str_of(text));
}

/* ---- DescribeClientQuotas
 * ---------------------------------------------------------------------------------------------- */

enum match { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };

struct filter {
    const component_in *part[MB_QUOTA_TYPES]; /* NULL: not in the filter */
    int count;
    bool strict; /* nothing but these parts */
};

static int16_t read_component(struct filter *filter, const component_in *in, char *text)
{
    int type = mb_quota_type_of(in->entity_type);
    if (!in->entity_type.size) {
        snprintf(text, TEXT_BYTES, "Invalid empty entity type.");
        return KCI_INVALID_REQUEST;
    }
    if (type < 0) {
        snprintf(text, TEXT_BYTES, "Unsupported entity type %.*s", (int)(in->entity_type.size % 200),
                 in->entity_type.data);
        return KCI_UNSUPPORTED_VERSION;
    }
    if (filter->part[type])
        snprintf(text, TEXT_BYTES, "Entity type %s cannot appear more than once in the filter.",
                 mb_quota_type_name((enum mb_quota_type)type));
    else if (in->match_type == MATCH_EXACT && !in->match.data)
        snprintf(text, TEXT_BYTES, "Request specified MATCH_TYPE_EXACT, but set match string to null.");
    else if (in->match_type == MATCH_DEFAULT && in->match.data)
        snprintf(text, TEXT_BYTES, "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
    else if (in->match_type == MATCH_ANY && in->match.data)
        snprintf(text, TEXT_BYTES, "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
    else if (in->match_type < MATCH_EXACT || in->match_type > MATCH_ANY)
        snprintf(text, TEXT_BYTES, "Unknown match type %d", in->match_type);
    else {
        filter->part[type] = in;
        filter->count++;
        return KCI_NONE;
    }
    return KCI_INVALID_REQUEST;
}

static int16_t read_filter(const struct kci_describe_client_quotas_request *body, struct filter *filter, char *text)
{
    *filter = (struct filter){ .strict = body->strict };
    for (int32_t i = 0; i < body->components_count; i++) {
        int16_t error = read_component(filter, &body->components[i], text);
        if (error)
            return error;
    }
    if (filter->part[MB_QUOTA_IP] && filter->count > 1) {
        snprintf(text, TEXT_BYTES,
                 "Invalid entity filter component combination. IP filter component should not be used with user or "
                 "clientId filter component.");
        return KCI_INVALID_REQUEST;
    }
    return KCI_NONE;
}

static bool matches(const struct filter *filter, const struct mb_quota_entity *entity)
{
    int given = 0;
    for (int i = 0; i < MB_QUOTA_TYPES; i++) {
        const component_in *part = filter->part[i];
        given += entity->part[i].given;
        if (!part)
            continue;
        struct kci_str name = entity->part[i].name;
        if (!entity->part[i].given || (part->match_type == MATCH_DEFAULT && name.data) ||
            (part->match_type == MATCH_EXACT && (!name.data || !kci_str_equal(name, part->match))))
            return false;
    }
    return !filter->strict || given == filter->count;
}

/* false: no memory. */
static bool describe_set(struct mb_request *request, const struct mb_quota_set *set, entry_out *out)
{
    kci_codec_init(&kci_describe_client_quotas_response__entry_data_schema, out);
    out->entity = kci_arena_array(&request->arena, MB_QUOTA_TYPES, sizeof *out->entity);
    out->values = kci_arena_array(&request->arena, MB_QUOTA_KEYS, sizeof *out->values);
    if (!out->entity || !out->values)
        return false;
    for (int i = 0; i < MB_QUOTA_TYPES; i++) {
        if (!set->entity.part[i].given)
            continue;
        struct kci_str name = set->entity.part[i].name;
        out->entity[out->entity_count].entity_type = kci_str_of(mb_quota_type_name((enum mb_quota_type)i));
        out->entity[out->entity_count++].entity_name =
            name.data ? kci_str_of(kci_arena_text(&request->arena, name)) : (struct kci_str){ NULL, 0 };
    }
    for (int i = 0; i < MB_QUOTA_KEYS; i++)
        if (set->value[i] > 0) {
            out->values[out->values_count].key = kci_str_of(mb_quota_key_name((enum mb_quota_key)i));
            out->values[out->values_count++].value = set->value[i];
        }
    return true;
}

void mb_handle_describe_client_quotas(struct mb_request *request, int64_t now)
{
    struct kci_describe_client_quotas_response response;
    const struct mb_quota_set *set = NULL;
    struct filter filter;
    char text[TEXT_BYTES];
    size_t count = 0;
    kci_codec_init(&kci_describe_client_quotas_response_schema, &response);
    response.error_code = read_filter(request->body, &filter, text);
    response.entries_count = -1;
    if (response.error_code) {
        response.error_message = kci_str_of(copy_text(request, text));
        mb_request_answer(request, &response, now);
        return;
    }
    while ((set = mb_quota_next(request->cluster, set)) != NULL)
        count++;
    response.entries = kci_arena_array(&request->arena, count, sizeof *response.entries);
    response.entries_count = 0;
    while (response.entries && (set = mb_quota_next(request->cluster, set)) != NULL)
        if (matches(&filter, &set->entity)) {
            if (!describe_set(request, set, &response.entries[response.entries_count])) {
                mb_request_hang_up(request, "no memory for quotas", now);
                return;
            }
            response.entries_count++;
        }
    mb_request_answer(request, &response, now);
}

/* ---- AlterClientQuotas
 * ------------------------------------------------------------------------------------------------- */

static int16_t read_entity(const entry_in *in, struct mb_quota_entity *entity, char *text)
{
    *entity = (struct mb_quota_entity){ .part[MB_QUOTA_IP].given = false };
    if (in->entity_count <= 0) {
        snprintf(text, TEXT_BYTES, "Invalid empty client quota entity");
        return KCI_INVALID_REQUEST;
    }
    for (int32_t i = 0; i < in->entity_count; i++) {
        struct kci_str type_name = in->entity[i].entity_type, name = in->entity[i].entity_name;
        int type = mb_quota_type_of(type_name);
        if (type < 0)
            snprintf(text, TEXT_BYTES, "Unhandled client quota entity type: %.*s", (int)(type_name.size % 200),
                     type_name.data);
        else if (name.data && !name.size)
            snprintf(text, TEXT_BYTES, "Empty %s not supported", mb_quota_type_name((enum mb_quota_type)type));
        else if (name.size > MB_QUOTA_NAME_MAX)
            snprintf(text, TEXT_BYTES, "mockbroker keeps names of at most %d bytes in quotas", MB_QUOTA_NAME_MAX);
        else {
            entity->part[type].given = true;
            entity->part[type].name = name;
            continue;
        }
        return KCI_INVALID_REQUEST;
    }
    if (!entity->part[MB_QUOTA_IP].given ||
        (!entity->part[MB_QUOTA_USER].given && !entity->part[MB_QUOTA_CLIENT].given))
        return KCI_NONE;
    snprintf(text, TEXT_BYTES, "Invalid client quota entity combination");
    return KCI_INVALID_REQUEST;
}

/* From 2^53 on, no double has a fraction. */
static bool is_whole(double value)
{
    return isnan(value) || value >= 9007199254740992.0 || fabs(value - (double)(int64_t)(value + 0.5)) <= 1e-6;
}

static int16_t check_op(const entry_in *in, const struct mb_quota_entity *entity, int32_t i, char *text)
{
    struct kci_str name = in->ops[i].key;
    int key = mb_quota_key_of(name);
    bool of_ip = key == MB_QUOTA_CONNECTION;
    if (in->ops[i].remove) /* of anything: what is not set need not be known */
        return KCI_NONE;
    if (key < 0 || of_ip != entity->part[MB_QUOTA_IP].given) {
        snprintf(text, TEXT_BYTES, "Invalid configuration key %.*s", (int)(name.size % 200), name.data);
        return KCI_INVALID_REQUEST;
    }
    for (int32_t k = 0; k < i; k++)
        if (kci_str_equal(in->ops[k].key, name)) {
            snprintf(text, TEXT_BYTES, "Duplicate key %.*s not allowed", (int)name.size, name.data);
            return KCI_INVALID_REQUEST;
        }
    double value = in->ops[i].value;
    if (value <= 0) {
        snprintf(text, TEXT_BYTES, "Quota %.*s must be greater than 0", (int)name.size, name.data);
        return KCI_INVALID_REQUEST;
    }
    bool whole = key == MB_QUOTA_PRODUCE || key == MB_QUOTA_FETCH || of_ip;
    double most = of_ip ? INT32_MAX : (double)INT64_MAX;
    if (whole && value > most) {
        snprintf(text, TEXT_BYTES, "Proposed value for %.*s is too large for %s.", (int)name.size, name.data,
                 of_ip ? "an INT" : "a LONG");
        return KCI_INVALID_REQUEST;
    }
    if (whole && !is_whole(value)) {
        snprintf(text, TEXT_BYTES, "%.*s cannot be a fractional value.", (int)name.size, name.data);
        return KCI_INVALID_REQUEST;
    }
    return KCI_NONE;
}

static int16_t alter_one(struct mb_request *request, const entry_in *in, char *text)
{
    const struct kci_alter_client_quotas_request *body = request->body;
    struct mb_quota_entity entity;
    int16_t error = read_entity(in, &entity, text);
    for (int32_t i = 0; !error && i < in->ops_count; i++)
        error = check_op(in, &entity, i, text);
    for (int32_t i = 0; !error && !body->validate_only && i < in->ops_count; i++)
        if (!mb_quota_set(request->cluster, &entity, (enum mb_quota_key)mb_quota_key_of(in->ops[i].key),
                          in->ops[i].remove ? 0 : in->ops[i].value)) {
            snprintf(text, TEXT_BYTES, "Too many quotas, or no memory for one more.");
            error = KCI_UNKNOWN_SERVER_ERROR;
        }
    return error;
}

/* Of a type that is given twice, the last name counts. */
static void tell_entity(const entry_in *in, struct kci_alter_client_quotas_response__entry_data *out)
{
    for (int32_t i = 0; i < in->entity_count; i++) {
        int32_t at = 0;
        while (at < out->entity_count && !kci_str_equal(out->entity[at].entity_type, in->entity[i].entity_type))
            at++;
        out->entity[at].entity_type = in->entity[i].entity_type;
        out->entity[at].entity_name = in->entity[i].entity_name;
        out->entity_count += at == out->entity_count;
    }
}

static bool is_same_name(struct kci_str a, struct kci_str b)
{
    return !a.data == !b.data && kci_str_equal(a, b);
}

static bool is_same_entity(const struct kci_alter_client_quotas_response__entry_data *a,
                           const struct kci_alter_client_quotas_response__entry_data *b)
{
    int32_t same = 0;
    for (int32_t i = 0; i < a->entity_count; i++)
        for (int32_t k = 0; k < b->entity_count; k++)
            same += kci_str_equal(a->entity[i].entity_type, b->entity[k].entity_type) &&
                    is_same_name(a->entity[i].entity_name, b->entity[k].entity_name);
    return same == a->entity_count && same == b->entity_count;
}

static struct kci_alter_client_quotas_response__entry_data *
told_before(struct kci_alter_client_quotas_response *response,
            const struct kci_alter_client_quotas_response__entry_data *entry)
{
    for (int32_t i = 0; i < response->entries_count; i++)
        if (is_same_entity(&response->entries[i], entry))
            return &response->entries[i];
    return NULL;
}

static bool is_too_large(const struct kci_alter_client_quotas_request *body)
{
    for (int32_t i = 0; i < body->entries_count && i < ENTRIES_MAX; i++)
        if (body->entries[i].entity_count > PARTS_MAX)
            return true;
    return body->entries_count > ENTRIES_MAX;
}

void mb_handle_alter_client_quotas(struct mb_request *request, int64_t now)
{
    const struct kci_alter_client_quotas_request *body = request->body;
    struct kci_alter_client_quotas_response response;
    char text[TEXT_BYTES];
    if (is_too_large(body)) {
        mb_request_hang_up(request, "more than 2000 quotas in one request, or an entity of more than 10 parts", now);
        return;
    }
    kci_codec_init(&kci_alter_client_quotas_response_schema, &response);
    response.entries = kci_arena_array(&request->arena, (size_t)body->entries_count, sizeof *response.entries);
    for (int32_t i = 0; response.entries && i < body->entries_count; i++) {
        const entry_in *in = &body->entries[i];
        struct kci_alter_client_quotas_response__entry_data *out = &response.entries[response.entries_count];
        kci_codec_init(&kci_alter_client_quotas_response__entry_data_schema, out);
        out->entity = kci_arena_array(&request->arena, (size_t)in->entity_count, sizeof *out->entity);
        if (!out->entity)
            break;
        tell_entity(in, out);
        struct kci_alter_client_quotas_response__entry_data *same = told_before(&response, out);
        if (same) { /* what came first was done all the same */
            same->error_code = KCI_INVALID_REQUEST;
            same->error_message = kci_str_of("The entity is named twice.");
            continue;
        }
        out->error_code = alter_one(request, in, text);
        out->error_message = kci_str_of(out->error_code ? copy_text(request, text) : NULL);
        response.entries_count++;
    }
    if (!response.entries ||
        (response.entries_count < body->entries_count && !response.entries[response.entries_count].entity))
        mb_request_hang_up(request, "no memory for an AlterClientQuotas answer", now);
    else
        mb_request_answer(request, &response, now);
}
