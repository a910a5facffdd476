/* test.mock.num.brokers where there is no libmockbroker: this program is linked statically and stands in a folder
 * without one, as a service in production does. */
#include "api/config.h"
#include "support/unit.h"

#include <kclient/kclient.h>
#include <string.h>

/* The error says what is missing and what to do. */
static void a_missing_library_is_named(void **state)
{
    kc_producer *producer;
    kc_error error;
    (void)state;
    kc_config *config = kc_config_new();
    assert_int_equal(kc_config_set_pair(config, "test.mock.num.brokers=3", NULL), KC_OK);
    kc_err err = kc_producer_create(&producer, config, &error);
    kc_config_destroy(config);
    if (err == KC_OK) { /* the machine has one in the folders of its loader */
        kc_producer_close(producer, 30000);
        skip();
    }
    assert_int_equal(err, KC_ERR_CONFIG);
    assert_non_null(strstr(error.text, "libmockbroker"));
    assert_non_null(strstr(error.text, "cannot be loaded"));
    assert_non_null(strstr(error.text, "LD_LIBRARY_PATH"));
}

/* Keys that describe the cluster have no effect without the one that asks for it. */
static void its_other_keys_need_it(void **state)
{
    static const char *const pairs[] = { "test.mock.cluster=a", "test.mock.topics=a", "test.mock.config=a=b" };
    struct kci_settings *settings;
    kc_error error;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        kc_config *config = kc_config_new();
        assert_int_equal(kc_config_set_pair(config, "bootstrap.servers=a:1", NULL), KC_OK);
        assert_int_equal(kc_config_set_pair(config, pairs[i], NULL), KC_OK);
        assert_int_equal(kci_config_settings(config, KCI_ROLE_ADMIN, &settings, &error), KC_ERR_CONFIG);
        assert_non_null(strstr(error.text, "needs test.mock.num.brokers"));
        assert_int_equal(kc_config_set_pair(config, "test.mock.num.brokers=1", NULL), KC_OK);
        assert_int_equal(kci_config_settings(config, KCI_ROLE_ADMIN, &settings, &error), KC_OK);
        kci_config_settings_free(settings);
        assert_int_equal(kc_config_set_pair(config, "test.mock.num.brokers=101", NULL), KC_ERR_CONFIG);
        kc_config_destroy(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_library_is_named),
        cmocka_unit_test(its_other_keys_need_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
