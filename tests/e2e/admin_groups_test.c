/* Groups seen and changed from outside, of both protocols: listed, described, their offsets read, set and forgotten. */
#include <kclient/kclient.h>
#include <mockbroker/mockbroker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/patience.h"

static kc_mock *cluster;
static kc_admin *admin;
static kc_error error;

static kc_config *config_of(const char *group, const char *key, const char *value)
{
    kc_config *config = kc_config_new();
    kc_config_set(config, "bootstrap.servers", kc_mock_bootstrap(cluster), NULL);
    if (group)
        kc_config_set(config, "group.id", group, NULL);
    if (key)
        assert_int_equal(kc_config_set(config, key, value, &error), KC_OK);
    return config;
}

static void begin(void)
{
    char text[200];
    kc_mock_options options = KC_MOCK_OPTIONS_INIT;
    options.brokers = 3;
    options.topics = "t:2:3";
    if (kc_mock_start(&cluster, &options, text, sizeof text) != 0)
        fail_msg("%s", text);
    kc_config *config = config_of(NULL, NULL, NULL);
    assert_int_equal(kc_admin_create(&admin, config, &error), KC_OK);
    kc_config_destroy(config);
}

static void end(void)
{
    kc_admin_close(admin);
    kc_mock_stop(cluster);
}

static void count_assigned(void *context, const kc_topic_partition *partitions, size_t count)
{
    (void)partitions;
    *(size_t *)context += count;
}

/* A member that has both partitions. */
static kc_consumer *member(const char *group, const char *protocol)
{
    size_t assigned = 0;
    const char *topic = "t";
    kc_rebalance_listener listener = { .on_assigned = count_assigned, .context = &assigned };
    kc_config *config = config_of(group, "group.protocol", protocol);
    kc_consumer *consumer;
    kc_config_set(config, "client.id", "the-client", NULL);
    assert_int_equal(kc_consumer_create(&consumer, config, &error), KC_OK);
    kc_config_destroy(config);
    assert_int_equal(kc_consumer_subscribe(consumer, &topic, 1, &listener, &error), KC_OK);
    while (assigned < 2) {
        kc_records *records;
        assert_int_equal(kc_consumer_poll(consumer, &records, 100, &error), KC_OK);
        kc_records_release(records);
    }
    return consumer;
}

/* One group of each kind. What is told of it while a member is there, and that nobody can change it then. */
static void a_living_group(const char *group, const char *protocol, const char *type)
{
    kc_group_description *about;
    kc_topic_partition offset = { "t", 1, 7, -1, NULL, KC_OK };
    kc_consumer *consumer = member(group, protocol);
    if (kc_admin_describe_group(admin, group, WAIT_MS, &about, &error) != KC_OK)
        fail_msg("%s", error.text);
    assert_string_equal(about->group, group);
    assert_string_equal(about->type, type);
    assert_string_equal(about->state, "Stable");
    assert_in_range(about->coordinator, 1, 3);
    assert_int_equal(about->member_count, 1);
    const kc_group_member *m = &about->members[0];
    assert_string_equal(m->client_id, "the-client");
    assert_null(m->instance_id);
    assert_int_equal(m->topic_count, 1);
    assert_string_equal(m->topics[0], "t");
    assert_int_equal(m->assigned_count, 2);
    assert_string_equal(m->assigned[1].topic, "t");
    assert_int_equal(m->assigned[0].partition + m->assigned[1].partition, 1);
    bool modern = strcmp(type, "consumer") == 0;
    assert_int_equal(m->classic, !modern);
    assert_int_equal(m->target_count, modern ? 2 : 0);
    assert_true(modern ? about->epoch > 0 && m->epoch > 0 : about->epoch == -1 && m->epoch == -1);
    kc_group_description_release(about);
    assert_int_equal(kc_admin_delete_group(admin, group, WAIT_MS, &error), KC_ERR_NON_EMPTY_GROUP);
    assert_int_equal(kc_admin_set_group_offsets(admin, group, &offset, 1, WAIT_MS, &error), KC_ERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(kc_admin_delete_group_offsets(admin, group, &offset, 1, WAIT_MS, &error),
                     KC_ERR_GROUP_SUBSCRIBED_TO_TOPIC);
    assert_int_equal(kc_consumer_close(consumer, WAIT_MS), KC_OK);
}

static void living_groups(void **state)
{
    kc_group_list *list;
    (void)state;
    begin();
    a_living_group("old", "classic", "classic");
    a_living_group("new", "consumer", "consumer");
    assert_int_equal(kc_admin_list_groups(admin, WAIT_MS, &list, &error), KC_OK);
    assert_int_equal(list->count, 2);
    assert_string_equal(list->groups[0].group, "new");
    assert_string_equal(list->groups[0].type, "consumer");
    assert_string_equal(list->groups[1].group, "old");
    assert_string_equal(list->groups[1].type, "classic");
    assert_string_equal(list->groups[1].state, "Empty");
    assert_string_equal(list->groups[1].protocol_type, "consumer");
    kc_group_list_release(list);
    assert_int_equal(kc_admin_delete_group(admin, "new", WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_admin_delete_group(admin, "new", WAIT_MS, &error), KC_ERR_GROUP_ID_NOT_FOUND);
    end();
}

/* Offsets of a group that is only a place for them. */
static void offsets(void **state)
{
    kc_group_offsets *all;
    kc_topic_partition items[] = { { "t", 1, 7, 3, "note", KC_OK }, { "t", 0, 5, -1, NULL, KC_OK } };
    kc_topic_partition unknown[] = { { "t", 0, 6, -1, NULL, KC_OK }, { "none", 0, 1, -1, NULL, KC_OK } };
    (void)state;
    begin();
    assert_int_equal(kc_admin_group_offsets(admin, "g", WAIT_MS, &all, &error), KC_OK);
    assert_int_equal(all->count, 0);
    kc_group_offsets_release(all);
    assert_int_equal(kc_admin_set_group_offsets(admin, "g", items, 2, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_admin_set_group_offsets(admin, "g", unknown, 2, WAIT_MS, &error),
                     KC_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(unknown[0].code, KC_OK);
    assert_int_equal(kc_admin_group_offsets(admin, "g", WAIT_MS, &all, &error), KC_OK);
    assert_int_equal(all->count, 2);
    assert_int_equal(all->offsets[0].partition, 0);
    assert_int_equal(all->offsets[0].offset, 6);
    assert_int_equal(all->offsets[1].offset, 7);
    assert_int_equal(all->offsets[1].leader_epoch, 3);
    assert_string_equal(all->offsets[1].metadata, "note");
    kc_group_offsets_release(all);
    assert_int_equal(kc_admin_delete_group_offsets(admin, "g", items, 1, WAIT_MS, &error), KC_OK);
    assert_int_equal(kc_admin_group_offsets(admin, "g", WAIT_MS, &all, &error), KC_OK);
    assert_int_equal(all->count, 1);
    kc_group_offsets_release(all);
    end();
}

/* What is not there, and what makes no sense. */
static void refused(void **state)
{
    kc_group_description *about;
    kc_topic_partition bad = { "t", 0, -5, -1, NULL, KC_OK };
    (void)state;
    begin();
    assert_int_equal(kc_admin_describe_group(admin, "nobody", WAIT_MS, &about, &error), KC_ERR_GROUP_ID_NOT_FOUND);
    assert_null(about);
    assert_int_equal(kc_admin_describe_group(admin, "", WAIT_MS, &about, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_admin_set_group_offsets(admin, "g", &bad, 1, WAIT_MS, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_admin_remove_group_member(admin, "g", NULL, NULL, WAIT_MS, &error), KC_ERR_ARGUMENT);
    assert_int_equal(kc_admin_remove_group_member(admin, "g", "who", NULL, WAIT_MS, &error), KC_ERR_UNKNOWN_MEMBER_ID);
    end();
}

/* A child of the process cannot use the handle, is told so, and may drop it; the parent goes on. */
static void forked(void **state)
{
    kc_metrics *metrics;
    kc_group_list *list;
    kc_cluster *description;
    int status;
    (void)state;
    begin();
    pid_t child = fork();
    if (child == 0) {
        bool told = kc_admin_metrics(admin, &metrics, &error) == KC_ERR_FORKED && !metrics &&
                    kc_admin_list_groups(admin, WAIT_MS, &list, &error) == KC_ERR_FORKED && !list &&
                    kc_admin_describe(admin, NULL, 0, WAIT_MS, &description, &error) == KC_ERR_FORKED;
        kc_admin_close(admin);
        _exit(told ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(kc_admin_list_groups(admin, WAIT_MS, &list, &error), KC_OK);
    kc_group_list_release(list);
    end();
}

/* A cluster that is not there: every call ends by its time-out, also while the coordinator is looked for. */
static void time_out(void **state)
{
    kc_group_list *list;
    kc_group_offsets *all;
    (void)state;
    begin();
    for (int32_t broker = 1; broker <= 3; broker++)
        assert_int_equal(kc_mock_broker_stop(cluster, broker), 0);
    assert_int_equal(kc_admin_group_offsets(admin, "g", 50, &all, &error), KC_ERR_TIMED_OUT);
    assert_int_equal(kc_admin_list_groups(admin, 50, &list, &error), KC_ERR_TIMED_OUT);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(living_groups), cmocka_unit_test(offsets),  cmocka_unit_test(forked),
        cmocka_unit_test(refused),       cmocka_unit_test(time_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
