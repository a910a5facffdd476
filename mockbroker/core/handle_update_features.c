/* UpdateFeatures (KIP-584, KIP-778): all of the updates or none.  One error stands for all; when there is none, versions
 * before 2 name each feature. */
#include "mockbroker/core/cluster.h"
#include "mockbroker/core/elr.h"

#include <stdio.h>

#define TEXT_BYTES  400
#define UPDATES_MAX 100 /* of one request: there are few features */
enum { UPGRADE = 1, SAFE_DOWNGRADE = 2, UNSAFE_DOWNGRADE = 3 };

typedef struct kci_update_features_request__feature_update_key update_key;

static int upgrade_type(const struct mb_request *request, const update_key *update)
{
    if (request->header.version == 0)
        return update->allow_downgrade ? SAFE_DOWNGRADE : UPGRADE;
    return update->upgrade_type;
}

/* NULL, or why not, in text behind "Invalid update version N for feature F." */
static const char *wrong_level(const struct mb_cluster *cluster, enum mb_feature_id id, int16_t level, int type,
                               char *text, size_t text_size)
{
    struct mb_feature feature = id < MB_FEATURES ? mb_feature_of(cluster, id) : (struct mb_feature){ .max = -1 };
    int16_t current = id < MB_FEATURES ? mb_feature_level(cluster, id) : 0;
    if (type < UPGRADE || type > UNSAFE_DOWNGRADE) {
        snprintf(text, text_size, "The controller does not support the given upgrade type.");
        return text;
    }
    if (id == MB_FEATURES) {
        snprintf(text, text_size, "Local controller %d does not support this feature.", cluster->controller);
        return text;
    }
    if (level < 0)
        return "A feature version cannot be less than 0.";
    if (level > feature.max || (level < feature.min && level > 0) || (level == 0 && id == MB_FEATURE_METADATA)) {
        snprintf(text, text_size, "Local controller %d only supports versions %d-%d", cluster->controller, feature.min,
                 feature.max);
        return text;
    }
    if (level < current && type == UPGRADE)
        return "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe "
               "downgrade.";
    if (level > current && type != UPGRADE)
        return "Can't downgrade to a newer version.";
    if (level < current && type == SAFE_DOWNGRADE && id == MB_FEATURE_METADATA)
        return "A downgrade might delete metadata.";
    if (level < current && type == UNSAFE_DOWNGRADE && id == MB_FEATURE_METADATA)
        return "Unsafe metadata downgrade is not supported in this version.";
    return NULL;
}

/* Kafka's error for one update; text says why. */
static int16_t check(const struct mb_request *request, int32_t i, char *text, size_t text_size)
{
    const struct kci_update_features_request *body = request->body;
    const update_key *update = &body->feature_updates[i];
    char why[160];
    enum mb_feature_id id = mb_feature_find(request->cluster, update->feature);
    const char *wrong =
        wrong_level(request->cluster, id, update->max_version_level, upgrade_type(request, update), why, sizeof why);
    if (!wrong)
        return KCI_NONE;
    snprintf(text, text_size, "Invalid update version %d for feature %.*s. %s", update->max_version_level,
             (int)(update->feature.size < 100 ? update->feature.size : 100), update->feature.data, wrong);
    return KCI_INVALID_UPDATE_VERSION;
}

static void tell(struct mb_request *request, struct kci_update_features_response *response, int16_t error,
                 const char *text)
{
    const struct kci_update_features_request *body = request->body;
    char all[TEXT_BYTES];
    response->error_code = error;
    response->error_message = kci_str_of(NULL);
    if (error) {
        snprintf(all, sizeof all, "The update failed for all features since the following feature had an error: %.300s",
                 text);
        response->error_message = kci_str_of(kci_arena_text(&request->arena, kci_str_of(all)));
        return;
    }
    if (request->header.version >= 2)
        return;
    response->results =
        kci_arena_array(&request->arena, (size_t)body->feature_updates_count, sizeof *response->results);
    for (int32_t i = 0; response->results && i < body->feature_updates_count; i++)
        response->results[response->results_count++] = (struct kci_update_features_response__updatable_feature_result){
            .feature = body->feature_updates[i].feature,
            .error_message = kci_str_of("NONE"), /* Kafka's name of the code, where a text should be */
        };
}

void mb_handle_update_features(struct mb_request *request, int64_t now)
{
    const struct kci_update_features_request *body = request->body;
    struct mb_cluster *cluster = request->cluster;
    struct kci_update_features_response response;
    char text[TEXT_BYTES] = "";
    int16_t error = KCI_NONE;
    kci_codec_init(&kci_update_features_response_schema, &response);
    if (body->feature_updates_count > UPDATES_MAX) {
        mb_request_hang_up(request, "more than 100 features in one request", now);
        return;
    }
    for (int32_t i = 0; !error && i < body->feature_updates_count; i++)
        error = check(request, i, text, sizeof text);
    tell(request, &response, error, text); /* by the levels as they were */
    for (int32_t i = 0; !error && !body->validate_only && i < body->feature_updates_count; i++)
        mb_feature_set(cluster, mb_feature_find(cluster, body->feature_updates[i].feature),
                       body->feature_updates[i].max_version_level);
    if (!error && !body->validate_only)
        mb_elr_prepare(cluster);
    mb_request_answer(request, &response, now);
}
