/* A topic pattern as a member of a group sends it, and a text to hold it against.
 *
 *   byte 0   bytes of the text (at most 63)
 *   then     the text, and behind it the pattern
 *
 * Promises: a pattern is compiled, or it is said what is wrong with it; the same question has the same answer twice; all
 * memory comes back, also when there is not enough; a pattern within \Q and \E matches just itself. */
#include "fuzz/harness.h"
#include "mockbroker/core/re2.h"
#include "support/test_alloc.h"

#define ALLOCATIONS 6 /* that many fail in turn */

static void compile_and_match(struct kci_str pattern, struct kci_str text)
{
    struct test_alloc memory = { 0 };
    struct kci_alloc alloc = test_alloc_counting(&memory);
    const char *why = NULL;
    struct mb_re2 *re2 = mb_re2_compile(&alloc, pattern, &why);
    must(re2 != NULL || (why != NULL && *why), "what is wrong with a pattern has a name");
    if (re2) {
        bool first = mb_re2_match(re2, text);
        must(mb_re2_match(re2, text) == first, "a match leaves no trace");
        must(mb_re2_matches(&alloc, pattern, text) == first, "compiled anew it answers the same");
    }
    mb_re2_free(re2);
    must(memory.live_blocks == 0, "all memory comes back");
}

static void run_out_of_memory(struct kci_str pattern)
{
    for (size_t i = 1; i <= ALLOCATIONS; i++) {
        struct test_alloc memory = { .fail_at = i };
        struct kci_alloc alloc = test_alloc_counting(&memory);
        const char *why = NULL;
        mb_re2_free(mb_re2_compile(&alloc, pattern, &why));
        must(memory.live_blocks == 0, "all memory comes back when there is not enough");
    }
}

static void quote(const uint8_t *data, size_t size)
{
    char pattern[80];
    if (size < 1 || size > 63)
        return;
    for (size_t i = 0; i < size; i++)
        if (data[i] == '\\' || data[i] == 0 || data[i] > 0x7e)
            return;
    memcpy(pattern, "\\Q", 2);
    memcpy(pattern + 2, data, size);
    memcpy(pattern + 2 + size, "\\E", 2);
    struct kci_str whole = { pattern, size + 4 }, itself = { (const char *)data, size };
    must(mb_re2_matches(&fuzz_alloc, whole, itself), "a quoted text matches itself");
    itself.size--;
    must(!mb_re2_matches(&fuzz_alloc, whole, itself), "and nothing shorter");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t text_size = data[0] & 63;
    if (text_size > size - 1)
        text_size = size - 1;
    struct kci_str text = { (const char *)data + 1, text_size };
    struct kci_str pattern = { (const char *)data + 1 + text_size, size - 1 - text_size };
    if (pattern.size > MB_RE2_BYTES_MAX)
        return 0;
    compile_and_match(pattern, text);
    run_out_of_memory(pattern);
    quote(data + 1, size - 1);
    return 0;
}
