/* Digests against the published vectors, at every border of a block, and base64 that is not. */
#include "mockbroker/core/digest.h"
#include "support/test_alloc.h"

#include <stdio.h>

#include "support/unit.h"

static void assert_hex(const uint8_t *bytes, size_t size, const char *hex)
{
    char text[2 * MB_DIGEST_BYTES_MAX + 1] = "";
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    assert_string_equal(text, hex);
}

/* FIPS 180-4, the examples of NIST */
static void test_digests(void **state)
{
    static const struct {
        enum mb_digest_kind kind;
        const char *text, *hex;
    } rows[] = {
        { MB_SHA_256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { MB_SHA_256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { MB_SHA_256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
        { MB_SHA_512, "abc",
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
        { MB_SHA_512,
          "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopq"
          "rstu",
          "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
          "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909" },
    };
    uint8_t out[MB_DIGEST_BYTES_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mb_digest_of(rows[i].kind, rows[i].text, strlen(rows[i].text), out);
        assert_hex(out, mb_digest_size(rows[i].kind), rows[i].hex);
    }
}

/* However a text is cut, and whatever its length, the digest is the same. */
static void test_pieces(void **state)
{
    uint8_t text[300], whole[MB_DIGEST_BYTES_MAX], cut[MB_DIGEST_BYTES_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    for (int kind = MB_SHA_256; kind <= MB_SHA_512; kind++) {
        for (size_t size = 0; size <= sizeof text; size++) {
            struct mb_digest digest;
            mb_digest_of((enum mb_digest_kind)kind, text, size, whole);
            mb_digest_begin(&digest, (enum mb_digest_kind)kind);
            for (size_t at = 0; at < size; at += 5)
                mb_digest_add(&digest, text + at, size - at < 5 ? size - at : 5);
            mb_digest_end(&digest, cut);
            assert_memory_equal(whole, cut, mb_digest_size((enum mb_digest_kind)kind));
        }
    }
    /* the last lengths that fit one block with their padding, and the first that do not */
    mb_digest_of(MB_SHA_256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 55, whole);
    assert_hex(whole, 32, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    mb_digest_of(MB_SHA_256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 56, whole);
    assert_hex(whole, 32, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
}

/* RFC 4231, cases 2 and 6: a key that is short, and one that is longer than a block */
static void test_hmac(void **state)
{
    static const uint8_t jefe[] = { 'J', 'e', 'f', 'e' };
    uint8_t key[131], out[MB_DIGEST_BYTES_MAX];
    (void)state;
    struct kci_bytes short_key = { jefe, sizeof jefe };
    struct kci_str text = kci_str_of("what do ya want for nothing?");
    mb_hmac_of(MB_SHA_256, short_key, text, out);
    assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    mb_hmac_of(MB_SHA_512, short_key, text, out);
    assert_hex(out, 64,
               "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
               "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
    memset(key, 0xaa, sizeof key);
    text = kci_str_of("Test Using Larger Than Block-Size Key - Hash Key First");
    mb_hmac_of(MB_SHA_256, (struct kci_bytes){ key, sizeof key }, text, out);
    assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    mb_hmac_of(MB_SHA_512, (struct kci_bytes){ key, sizeof key }, text, out);
    assert_hex(out, 64,
               "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
               "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598");
}

/* The password of RFC 7677's example */
static void test_hi(void **state)
{
    uint8_t salt[32], out[MB_DIGEST_BYTES_MAX], key[MB_DIGEST_BYTES_MAX], stored[MB_DIGEST_BYTES_MAX];
    size_t size = sizeof salt;
    (void)state;
    assert_true(mb_base64_read(kci_str_of("W22ZaJ0SNY7soEsUEjb6gQ=="), salt, &size));
    assert_int_equal(size, 16);
    mb_hmac_hi(MB_SHA_256, kci_str_of("pencil"), (struct kci_bytes){ salt, size }, 4096, out);
    mb_hmac_of(MB_SHA_256, (struct kci_bytes){ out, 32 }, kci_str_of("Client Key"), key);
    mb_digest_of(MB_SHA_256, key, 32, stored);
    assert_hex(stored, 32, "586e5df283e6dceb5c3e791d8b8528ec191e664045ce971792e2e6b5bb13e2a6");
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = { { "", "" },
                                            { "f", "Zg==" },
                                            { "fo", "Zm8=" },
                                            { "foo", "Zm9v" },
                                            { "foob", "Zm9vYg==" },
                                            { "fooba", "Zm9vYmE=" },
                                            { "foobar", "Zm9vYmFy" } };
    static const char *const bad[] = { "Z", "Zg", "Zg=", "Zm9v=", "====", "Z===", "Zg==Zg==", "Zm9*", "Zm 9", "Zm9-" };
    uint8_t out[8];
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct kci_writer w = kci_writer_of(&alloc, 100);
        size_t size = sizeof out;
        mb_base64_write(&w, (struct kci_bytes){ (const uint8_t *)pairs[i][0], strlen(pairs[i][0]) });
        assert_int_equal(w.size, strlen(pairs[i][1]));
        if (w.size)
            assert_memory_equal(w.data, pairs[i][1], w.size);
        assert_true(mb_base64_read(kci_str_of(pairs[i][1]), out, &size));
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(out, pairs[i][0], size);
        kci_writer_destroy(&w);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size = sizeof out;
        assert_false(mb_base64_read(kci_str_of(bad[i]), out, &size));
    }
    size_t none = 0; /* what does not fit is counted, and written nowhere */
    assert_true(mb_base64_read(kci_str_of("Zm9vYmFy"), NULL, &none));
    assert_int_equal(none, 6);
    assert_int_equal(memory.live_blocks, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digests), cmocka_unit_test(test_pieces), cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_hi),      cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
