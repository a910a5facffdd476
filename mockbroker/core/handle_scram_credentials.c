/* DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554).  A user is altered at most once in a request,
 * whatever the mechanism; one that is refused does not hinder the others. */
#include "mockbroker/core/cluster.h"

#include <stdio.h>

typedef struct kci_describe_user_scram_credentials_response__describe_user_scram_credentials_result user_out;
typedef struct kci_alter_user_scram_credentials_response__alter_user_scram_credentials_result alter_out;

static bool describe_user(struct mb_request *request, struct kci_str name, user_out *out)
{
    const struct mb_scram_users *users = &request->cluster->scram_users;
    kci_codec_init(&kci_describe_user_scram_credentials_response__describe_user_scram_credentials_result_schema, out);
    out->user = name;
    out->credential_infos = kci_arena_array(&request->arena, 2, sizeof *out->credential_infos);
    if (!out->credential_infos)
        return false;
    for (int8_t mechanism = MB_SCRAM_SHA_256; mechanism <= MB_SCRAM_SHA_512; mechanism++) {
        const struct mb_scram_credential *credential = mb_scram_users_find(users, name, mechanism);
        if (!credential)
            continue;
        out->credential_infos[out->credential_infos_count++] =
            (struct kci_describe_user_scram_credentials_response__credential_info){ .mechanism = mechanism,
                                                                                    .iterations =
                                                                                        credential->iterations };
    }
    return true;
}

static bool describe_all(struct mb_request *request, struct kci_describe_user_scram_credentials_response *response)
{
    const struct mb_scram_users *users = &request->cluster->scram_users;
    response->results = kci_arena_array(&request->arena, users->count, sizeof *response->results);
    KCI_LIST_EACH(node, &users->all)
    {
        struct mb_scram_credential *credential = KCI_CONTAINER(node, struct mb_scram_credential, link);
        struct kci_str name = kci_str_of(credential->name);
        if (mb_scram_users_find(users, name, 0) != credential)
            continue; /* its other mechanism was told already */
        if (!response->results || !describe_user(request, name, &response->results[response->results_count++]))
            return false;
    }
    return true;
}

/* How often the i-th name is there from place `from` on, up to `to`. */
static int32_t times(const struct kci_describe_user_scram_credentials_request *body, int32_t i, int32_t from,
                     int32_t to)
{
    int32_t count = 0;
    for (int32_t k = from; k < to; k++)
        count += kci_str_equal(body->users[k].name, body->users[i].name);
    return count;
}

static bool describe_named(struct mb_request *request, struct kci_describe_user_scram_credentials_response *response)
{
    const struct kci_describe_user_scram_credentials_request *body = request->body;
    response->results = kci_arena_array(&request->arena, (size_t)body->users_count, sizeof *response->results);
    for (int32_t i = 0; i < body->users_count; i++) {
        if (times(body, i, 0, i)) /* told already */
            continue;
        user_out *out = response->results ? &response->results[response->results_count++] : NULL;
        if (!out || !describe_user(request, body->users[i].name, out))
            return false;
        if (times(body, i, i + 1, body->users_count)) {
            out->error_code = KCI_DUPLICATE_RESOURCE;
            out->error_message = kci_str_of("Cannot describe SCRAM credentials for the same user twice in a single "
                                            "request");
            out->credential_infos_count = 0;
        } else if (!out->credential_infos_count) {
            char text[320];
            snprintf(text, sizeof text, "Attempt to describe a user credential that does not exist: %.*s",
                     (int)(out->user.size < 200 ? out->user.size : 200), out->user.data);
            out->error_code = KCI_RESOURCE_NOT_FOUND;
            out->error_message = kci_str_of(kci_arena_text(&request->arena, kci_str_of(text)));
        }
    }
    return true;
}

#define DESCRIBED_MAX 2000 /* users of one request: each is compared with all others */

void mb_handle_describe_user_scram_credentials(struct mb_request *request, int64_t now)
{
    const struct kci_describe_user_scram_credentials_request *body = request->body;
    struct kci_describe_user_scram_credentials_response response;
    kci_codec_init(&kci_describe_user_scram_credentials_response_schema, &response);
    bool ok = true;
    if (body->users_count > DESCRIBED_MAX) {
        response.error_code = KCI_INVALID_REQUEST;
        response.error_message = kci_str_of("More than 2000 users in one request.");
    } else {
        /* none and an empty list alike ask for all */
        ok = body->users_count > 0 ? describe_named(request, &response) : describe_all(request, &response);
    }
    if (ok)
        mb_request_answer(request, &response, now);
    else
        mb_request_hang_up(request, "no memory for a list of SCRAM users", now);
}

/* ---- altering ---- */

static int16_t check_upsertion(const struct kci_alter_user_scram_credentials_request__scram_credential_upsertion *asked,
                               const char **why)
{
    const struct {
        bool wrong;
        int16_t error;
        const char *why;
    } checks[] = {
        { asked->name.size == 0, KCI_UNACCEPTABLE_CREDENTIAL, "Username must not be empty" },
        { asked->name.size > MB_SCRAM_NAME_BYTES, KCI_UNACCEPTABLE_CREDENTIAL, "Username is too long" },
        { kci_str_has_nul(asked->name), KCI_UNACCEPTABLE_CREDENTIAL, "Username must not contain a NUL" },
        { asked->mechanism != MB_SCRAM_SHA_256 && asked->mechanism != MB_SCRAM_SHA_512, KCI_UNSUPPORTED_SASL_MECHANISM,
          "Unknown SCRAM mechanism" },
        { asked->iterations < MB_SCRAM_ITERATION_MIN, KCI_UNACCEPTABLE_CREDENTIAL, "Too few iterations" },
        { asked->iterations > MB_SCRAM_ITERATION_MAX, KCI_UNACCEPTABLE_CREDENTIAL, "Too many iterations" },
        { asked->salt.size > MB_SCRAM_BYTES_MAX, KCI_UNACCEPTABLE_CREDENTIAL, "The salt is too long" },
        { asked->salted_password.size == 0, KCI_UNKNOWN_SERVER_ERROR,
          "The salted password is empty" }, /* as in Kafka */
        { asked->salted_password.size > MB_SCRAM_BYTES_MAX, KCI_UNACCEPTABLE_CREDENTIAL,
          "The salted password is too long" },
    };
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        if (checks[i].wrong) {
            *why = checks[i].why;
            return checks[i].error;
        }
    return KCI_NONE;
}

static int16_t check_deletion(const struct mb_cluster *cluster,
                              const struct kci_alter_user_scram_credentials_request__scram_credential_deletion *asked,
                              const char **why)
{
    if (asked->name.size == 0) {
        *why = "Username must not be empty";
        return KCI_UNACCEPTABLE_CREDENTIAL;
    }
    if (asked->mechanism != MB_SCRAM_SHA_256 && asked->mechanism != MB_SCRAM_SHA_512) {
        *why = "Unknown SCRAM mechanism";
        return KCI_UNSUPPORTED_SASL_MECHANISM;
    }
    if (!mb_scram_users_find(&cluster->scram_users, asked->name, asked->mechanism)) {
        *why = "Attempt to delete a user credential that does not exist";
        return KCI_RESOURCE_NOT_FOUND;
    }
    return KCI_NONE;
}

/* The result of a user that was named before; NULL: it was not. */
static alter_out *result_of(const struct kci_alter_user_scram_credentials_response *response, struct kci_str name)
{
    for (int32_t i = 0; i < response->results_count; i++)
        if (kci_str_equal(response->results[i].user, name))
            return &response->results[i];
    return NULL;
}

/* What was wrong with a user at first stays; one that was in order must not be named again. */
static void judge(struct kci_alter_user_scram_credentials_response *response, struct kci_str name, int16_t error,
                  const char *why)
{
    alter_out *out = result_of(response, name);
    if (!out) {
        out = &response->results[response->results_count++];
        *out = (alter_out){ .user = name, .error_code = error, .error_message = kci_str_of(error ? why : NULL) };
    } else if (!out->error_code) {
        out->error_code = KCI_DUPLICATE_RESOURCE;
        out->error_message = kci_str_of("A user credential cannot be altered twice in the same request");
    }
}

/* What was found to be in order. */
static void apply(struct mb_cluster *cluster, const struct kci_alter_user_scram_credentials_request *body,
                  struct kci_alter_user_scram_credentials_response *response)
{
    for (int32_t i = 0; i < body->deletions_count; i++) {
        const struct kci_alter_user_scram_credentials_request__scram_credential_deletion *asked = &body->deletions[i];
        if (!result_of(response, asked->name)->error_code)
            mb_scram_users_remove(&cluster->scram_users,
                                  mb_scram_users_find(&cluster->scram_users, asked->name, asked->mechanism));
    }
    for (int32_t i = 0; i < body->upsertions_count; i++) {
        const struct kci_alter_user_scram_credentials_request__scram_credential_upsertion *asked = &body->upsertions[i];
        alter_out *out = result_of(response, asked->name);
        if (out->error_code || mb_scram_users_set(&cluster->scram_users, asked->name, asked->mechanism,
                                                  asked->iterations, asked->salt, asked->salted_password))
            continue;
        out->error_code = KCI_UNKNOWN_SERVER_ERROR;
        out->error_message = kci_str_of("Too many SCRAM credentials, or no memory for one more");
    }
    mb_controller_changed(cluster);
}

void mb_handle_alter_user_scram_credentials(struct mb_request *request, int64_t now)
{
    const struct kci_alter_user_scram_credentials_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct kci_alter_user_scram_credentials_response response;
    int64_t count = (int64_t)body->deletions_count + body->upsertions_count;
    const char *why = NULL;
    kci_codec_init(&kci_alter_user_scram_credentials_response_schema, &response);
    if (count > DESCRIBED_MAX) {
        mb_request_hang_up(request, "more than 2000 SCRAM credentials in one request", now);
        return;
    }
    response.results = kci_arena_array(&request->arena, (size_t)count, sizeof *response.results);
    for (int32_t i = 0; response.results && i < body->deletions_count; i++) {
        int16_t error = check_deletion(cluster, &body->deletions[i], &why);
        judge(&response, body->deletions[i].name, error, why);
    }
    for (int32_t i = 0; response.results && i < body->upsertions_count; i++) {
        int16_t error = check_upsertion(&body->upsertions[i], &why);
        judge(&response, body->upsertions[i].name, error, why);
    }
    if (response.results)
        apply(cluster, body, &response);
    mb_request_answer(request, &response, now);
}
