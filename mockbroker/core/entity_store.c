/* One line per fact, fields separated by blanks:
 *
 *      acl <type> <pattern> <operation> <permission> <name> <principal> <host>
 *      scram <user> <mechanism> <iterations> <salt, hex> <salted password, hex>
 *      token <id> <owner> <requester> <issued> <expires> <ends> <renewers, with a NUL behind each>
 *      feature <name> <level>
 *      resource <type> <name> <key> <value>
 *
 * In a text, bytes up to the blank, '%' and DEL are written as %XX; an empty text is "%". */
#include "mockbroker/core/entity_store.h"

#include <stdio.h>

#define FIELDS_MAX      7
#define FIELD_BYTES_MAX MB_ACL_TEXT_BYTES

static void put_text(struct kci_writer *w, struct kci_str text)
{
    char hex[4];
    kci_writer_bytes(w, " ", 1);
    if (!text.size)
        kci_writer_bytes(w, "%", 1);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c > ' ' && c != '%' && c != 0x7f) {
            kci_writer_bytes(w, &text.data[i], 1);
        } else {
            snprintf(hex, sizeof hex, "%%%02x", c);
            kci_writer_bytes(w, hex, 3);
        }
    }
}

static void put_number(struct kci_writer *w, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)number);
    put_text(w, kci_str_of(text));
}

static void put_hex(struct kci_writer *w, const uint8_t *data, size_t size)
{
    char hex[4];
    kci_writer_bytes(w, " ", 1);
    for (size_t i = 0; i < size; i++) {
        snprintf(hex, sizeof hex, "%02x", data[i]);
        kci_writer_bytes(w, hex, 2);
    }
}

static void put_acl(struct kci_writer *w, const struct mb_acl_of *acl)
{
    kci_writer_bytes(w, "acl", 3);
    put_number(w, acl->type);
    put_number(w, acl->pattern);
    put_number(w, acl->operation);
    put_number(w, acl->permission);
    put_text(w, acl->name);
    put_text(w, acl->principal);
    put_text(w, acl->host);
    kci_writer_bytes(w, "\n", 1);
}

static void put_scram(struct kci_writer *w, const struct mb_scram_credential *credential)
{
    kci_writer_bytes(w, "scram", 5);
    put_text(w, kci_str_of(credential->name));
    put_number(w, credential->mechanism);
    put_number(w, credential->iterations);
    put_hex(w, credential->salt, credential->salt_size);
    put_hex(w, credential->salted_password, credential->salted_password_size);
    kci_writer_bytes(w, "\n", 1);
}

static void put_token(struct kci_writer *w, const struct mb_token_of *token)
{
    kci_writer_bytes(w, "token", 5);
    put_text(w, token->id);
    put_text(w, token->owner);
    put_text(w, token->requester);
    put_number(w, token->issued_ms);
    put_number(w, token->expires_ms);
    put_number(w, token->ends_ms);
    put_text(w, token->renewers);
    kci_writer_bytes(w, "\n", 1);
}

static void put_resource(struct kci_writer *w, const struct mb_resource *resource)
{
    for (size_t i = 0; i < mb_resource_rows(resource->type); i++) {
        if (!resource->values[i])
            continue;
        kci_writer_bytes(w, "resource", 8);
        put_number(w, resource->type);
        put_text(w, kci_str_of(resource->name));
        put_text(w, kci_str_of(mb_resource_row(resource->type, i)->name));
        put_text(w, kci_str_of(resource->values[i]));
        kci_writer_bytes(w, "\n", 1);
    }
}

void mb_entities_put(struct kci_writer *w, const struct mb_cluster *cluster)
{
    KCI_LIST_EACH(node, &cluster->acls.all)
    {
        put_acl(w, &KCI_CONTAINER(node, struct mb_acl, link)->of);
    }
    KCI_LIST_EACH(node, &cluster->scram_users.all)
    {
        put_scram(w, KCI_CONTAINER(node, struct mb_scram_credential, link));
    }
    KCI_LIST_EACH(node, &cluster->tokens.all)
    {
        put_token(w, &KCI_CONTAINER(node, struct mb_token, link)->of);
    }
    KCI_LIST_EACH(node, &cluster->resources.all)
    {
        put_resource(w, KCI_CONTAINER(node, struct mb_resource, link));
    }
    for (int i = 0; i < MB_FEATURES; i++) {
        struct mb_feature feature = mb_feature_of(cluster, (enum mb_feature_id)i);
        if (feature.max < feature.min)
            continue;
        kci_writer_bytes(w, "feature", 7);
        put_text(w, kci_str_of(feature.name));
        put_number(w, mb_feature_level(cluster, (enum mb_feature_id)i));
        kci_writer_bytes(w, "\n", 1);
    }
}

/* ---- reading ---- */

struct fields {
    struct kci_str at[FIELDS_MAX]; /* into text */
    size_t count;
    char text[FIELDS_MAX * (FIELD_BYTES_MAX + 1)];
};

/* One field, decoded to *to. NULL: it does not fit, or is not such a text. */
static const char *read_field(const char *line, char **to, const char *end)
{
    unsigned byte;
    for (; *line && *line != ' '; line++) {
        if (*to == end)
            return NULL;
        if (*line != '%') {
            *(*to)++ = *line;
        } else if (line[1] && line[1] != ' ') {
            if (sscanf(line + 1, "%2x", &byte) != 1 || !line[2])
                return NULL;
            *(*to)++ = (char)byte;
            line += 2;
        }
    }
    return line;
}

static bool split(struct fields *fields, const char *line)
{
    char *to = fields->text;
    const char *end = fields->text + sizeof fields->text - 1;
    fields->count = 0;
    while (*line == ' ' && fields->count < FIELDS_MAX) {
        const char *start = to;
        line = read_field(line + 1, &to, end);
        if (!line)
            return false;
        fields->at[fields->count++] = (struct kci_str){ start, (size_t)(to - start) };
        *to++ = '\0';
        if (to > end)
            return false;
    }
    return *line == '\0';
}

static bool long_number(const struct fields *fields, size_t i, int64_t *out)
{
    return i < fields->count && mb_config_number(fields->at[i].data, MB_CONFIG_LONG, out);
}

static bool number(const struct fields *fields, size_t i, int64_t min, int64_t max, int32_t *out)
{
    int64_t value;
    bool ok = long_number(fields, i, &value) && value >= min && value <= max;
    *out = ok ? (int32_t)value : 0;
    return ok;
}

static bool hex_bytes(struct kci_str text, uint8_t *out, struct kci_bytes *bytes)
{
    unsigned byte;
    if (text.size % 2 || text.size / 2 > MB_SCRAM_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.size / 2; i++) {
        if (sscanf(text.data + 2 * i, "%2x", &byte) != 1)
            return false;
        out[i] = (uint8_t)byte;
    }
    *bytes = (struct kci_bytes){ out, text.size / 2 };
    return true;
}

static bool load_acl(struct mb_cluster *cluster, const struct fields *fields)
{
    int32_t type, pattern, operation, permission;
    char text[320];
    if (fields->count != 7 || !number(fields, 0, 0, 100, &type) || !number(fields, 1, 0, 100, &pattern) ||
        !number(fields, 2, 0, 100, &operation) || !number(fields, 3, 0, 100, &permission))
        return false;
    struct mb_acl_of acl = { .type = (int8_t)type,
                             .pattern = (int8_t)pattern,
                             .operation = (int8_t)operation,
                             .permission = (int8_t)permission,
                             .name = fields->at[4],
                             .principal = fields->at[5],
                             .host = fields->at[6] };
    return !mb_acl_check(&acl, text, sizeof text) && mb_acls_add(&cluster->acls, &acl);
}

static bool load_scram(struct mb_cluster *cluster, const struct fields *fields)
{
    int32_t mechanism, iterations;
    uint8_t salt[MB_SCRAM_BYTES_MAX], password[MB_SCRAM_BYTES_MAX];
    struct kci_bytes salt_bytes, password_bytes;
    return fields->count == 5 && fields->at[0].size > 0 && fields->at[0].size <= MB_SCRAM_NAME_BYTES &&
           number(fields, 1, MB_SCRAM_SHA_256, MB_SCRAM_SHA_512, &mechanism) &&
           number(fields, 2, MB_SCRAM_ITERATION_MIN, MB_SCRAM_ITERATION_MAX, &iterations) &&
           hex_bytes(fields->at[3], salt, &salt_bytes) && hex_bytes(fields->at[4], password, &password_bytes) &&
           mb_scram_users_set(&cluster->scram_users, fields->at[0], (int8_t)mechanism, iterations, salt_bytes,
                              password_bytes);
}

static bool is_principal(struct kci_str text)
{
    return memchr(text.data, ':', text.size) != NULL;
}

static bool load_token(struct mb_cluster *cluster, const struct fields *fields)
{
    struct mb_token_of of = { .id = fields->at[0], .owner = fields->at[1], .requester = fields->at[2] };
    struct kci_str renewer;
    if (fields->count != 7 || !long_number(fields, 3, &of.issued_ms) || !long_number(fields, 4, &of.expires_ms) ||
        !long_number(fields, 5, &of.ends_ms) || of.id.size != MB_TOKEN_ID_SIZE || !is_principal(of.owner) ||
        !is_principal(of.requester))
        return false;
    of.renewers = fields->at[6];
    for (size_t at = 0; mb_token_renewer(&of, &at, &renewer);)
        if (!is_principal(renewer))
            return false;
    return mb_tokens_add(cluster, &of) != NULL;
}

/* A level that the played release does not support is that of another one: a new cluster's level stays. */
static bool load_feature(struct mb_cluster *cluster, const struct fields *fields)
{
    int32_t level;
    if (fields->count != 2 || !number(fields, 1, 0, INT16_MAX, &level))
        return false;
    enum mb_feature_id id = mb_feature_find(cluster, fields->at[0]);
    if (id < MB_FEATURES && (level == 0 || level >= mb_feature_of(cluster, id).min) &&
        level <= mb_feature_of(cluster, id).max)
        cluster->feature_levels[id] = (int16_t)level;
    return true;
}

static bool load_resource(struct mb_cluster *cluster, const struct fields *fields)
{
    int32_t type;
    char text[200];
    return fields->count == 4 && number(fields, 0, 0, 127, &type) && mb_resource_rows((int8_t)type) > 0 &&
           mb_resource_load(cluster, (int8_t)type, fields->at[1], fields->at[2], fields->at[3], text, sizeof text);
}

static const struct {
    const char *word;
    bool (*load)(struct mb_cluster *cluster, const struct fields *fields);
} kinds[] = {
    { "acl ", load_acl },         { "scram ", load_scram },       { "token ", load_token },
    { "feature ", load_feature }, { "resource ", load_resource },
};

bool mb_entities_know(const char *line)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(line, kinds[i].word, strlen(kinds[i].word)) == 0)
            return true;
    return false;
}

bool mb_entities_load(struct mb_cluster *cluster, const char *line)
{
    struct fields *fields = kci_alloc_zero(cluster->alloc, 1, sizeof *fields);
    bool ok = fields && split(fields, line + strcspn(line, " "));
    for (size_t i = 0; ok && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(line, kinds[i].word, strlen(kinds[i].word)) == 0)
            ok = kinds[i].load(cluster, fields);
    kci_alloc_free(cluster->alloc, fields);
    return ok;
}
