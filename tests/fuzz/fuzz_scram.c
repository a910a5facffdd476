/* Both messages of a client that logs in by SCRAM.
 *
 *   bytes 0, 1  size of the first message, little endian
 *   then        the first message; behind it the second one
 *
 * Where the second message has an '@' behind "r=", the nonce of the server is put in its place, so that the fuzzer gets
 * past it.  Promises: nothing outside the messages is read, a name is decoded or refused, what is answered is a message of
 * SCRAM, nobody is let in without the password, all memory comes back. */
#include "fuzz/harness.h"
#include "mockbroker/core/scram.h"
#include "support/test_alloc.h"

static const uint8_t salt[] = "0123456789abcdef";

static void second(struct mb_scram *scram, const uint8_t *data, size_t size, const struct kci_alloc *alloc)
{
    struct kci_writer message = kci_writer_of(alloc, (size_t)1 << 20), answer = kci_writer_of(alloc, (size_t)1 << 20);
    const uint8_t *at = size ? memchr(data, '@', size) : NULL;
    size_t before = at ? (size_t)(at - data) : size;
    kci_writer_bytes(&message, data, before);
    if (at) {
        kci_writer_bytes(&message, scram->nonce, scram->nonce_size);
        kci_writer_bytes(&message, at + 1, size - before - 1);
    }
    struct kci_bytes bytes = { message.data, message.size };
    must(mb_scram_finish(scram, bytes, &answer) != MB_SCRAM_PROVEN, "nobody proves what he does not know");
    kci_writer_destroy(&message);
    kci_writer_destroy(&answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    struct mb_scram scram = { 0 };
    struct mb_scram_first first;
    uint8_t salted[MB_DIGEST_BYTES_MAX] = { 1 };
    struct kci_prng prng;
    if (size < 2)
        return 0;
    size_t first_size = data[0] | (size_t)data[1] << 8;
    if (first_size > size - 2)
        first_size = size - 2;
    struct mb_scram_secret secret = { MB_SHA_256, 4096, { salt, 16 }, { salted, 32 } };
    kci_prng_seed(&prng, 1);
    if (mb_scram_read_first((struct kci_bytes){ data + 2, first_size }, &first)) {
        struct kci_writer w = kci_writer_of(&alloc, (size_t)1 << 20);
        must(strlen(first.user) <= MB_SCRAM_NAME_BYTES, "the name of a user has an end");
        must(mb_scram_begin(&scram, &alloc, &first, &secret, &prng, &w), "the exchange begins");
        must(w.size > 2 && memcmp(w.data, "r=", 2) == 0, "it begins with the nonce");
        second(&scram, data + 2 + first_size, size - 2 - first_size, &alloc);
        kci_writer_destroy(&w);
    }
    mb_scram_forget(&scram, &alloc);
    must(memory.live_blocks == 0, "all memory comes back");
    return 0;
}
