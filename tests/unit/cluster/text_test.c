/* Texts for people: bounded, cut visibly, and safe to print whatever a stranger sent. */
#include "cluster/cluster.h"
#include "cluster/sniff.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Pieces are appended; what does not fit is cut and says so; more is ignored. */
static void test_cut(void **state)
{
    char buffer[12];
    struct kci_text t = kci_text_of(buffer, sizeof buffer);
    (void)state;
    kci_text_add(&t, "%s", "abcd");
    kci_text_add(&t, "%d", 1234567);
    assert_string_equal(buffer, "abcd1234567");
    kci_text_add(&t, "x");
    kci_text_add(&t, "y");
    assert_string_equal(buffer, "abcd1234567");
    t = kci_text_of(buffer, sizeof buffer);
    kci_text_add(&t, "abcdefghijklmnop");
    assert_string_equal(buffer, "abcdefgh...");
}

/* Spans are told in the unit that a person would use. */
static void test_spans(void **state)
{
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = { { -5, "0 ms" },          { 999, "0 ms" },
                 { 350000, "350 ms" },    { 1200000, "1.2 s" },
                 { 30000000, "30.0 s" },  { 599900000, "599.9 s" },
                 { 600000000, "10 min" }, { INT64_MAX, "153722867280 min" } };
    char buffer[64];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct kci_text t = kci_text_of(buffer, sizeof buffer);
        kci_text_span(&t, rows[i].us);
        assert_string_equal(buffer, rows[i].text);
    }
}

static const char *sniffed(const void *bytes, size_t size)
{
    static char buffer[400];
    struct kci_text t = kci_text_of(buffer, sizeof buffer);
    return kci_sniff(bytes, size, &t) ? buffer : NULL;
}

/* TLS, HTTP and other text are told from Kafka, and the text says what to do. */
static void test_sniff(void **state)
{
    (void)state;
    assert_non_null(strstr(sniffed("\x15\x03\x03\x00\x02\x02\x46", 7), "TLS alert"));
    assert_non_null(strstr(sniffed("\x15\x03\x03\x00\x02\x02\x46", 7), "security.protocol=SSL"));
    assert_non_null(strstr(sniffed("\x16\x03\x01", 3), "TLS handshake"));
    assert_non_null(strstr(sniffed("HTTP/1.1 400 Bad Request\r\n", 26), "HTTP/1.1 400 Bad Request.."));
    assert_non_null(strstr(sniffed("SSH-2.0-OpenSSH", 15), "SSH-2.0-OpenSSH"));
    assert_null(sniffed("\0\0\0\x2a\0\0\0\0", 8));
    assert_null(sniffed("ab\x01\x02", 4));
    assert_null(sniffed("ab", 2));
    assert_null(sniffed("", 0));
}

/* An error carries its code's traits, those of the case, and a text that is cut visibly. */
static void test_fail(void **state)
{
    kc_error error;
    char long_text[1000];
    (void)state;
    assert_int_equal(kci_fail(NULL, KC_ERR_CONFIG, 0, "x"), KC_ERR_CONFIG);
    assert_int_equal(kci_fail(&error, KC_ERR_TIMED_OUT, KC_MAYBE_APPLIED, "after %d s", 3), KC_ERR_TIMED_OUT);
    assert_int_equal(error.code, KC_ERR_TIMED_OUT);
    assert_int_equal(error.traits, KC_RETRIABLE | KC_MAYBE_APPLIED);
    assert_string_equal(error.text, "after 3 s");
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    kci_fail(&error, KC_ERR_CONFIG, 0, "%s", long_text);
    assert_int_equal(strlen(error.text), sizeof error.text - 1);
    assert_string_equal(error.text + sizeof error.text - 4, "...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_sniff),
        cmocka_unit_test(test_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
