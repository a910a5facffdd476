/* The judge of the demo, with spools made by hand: a lost, doubled, exchanged or changed piece makes it fail and is
 * named; what a killed reader leaves behind does not. */
#define _GNU_SOURCE /* mkdtemp */
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/demo/demo.h"

static char complaint[500]; /* the last one */

int demo_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    return 1;
}

/* Two files, as the producer saw them. */
static const char poem[] = "one\ntwo\nthree\nend"; /* no newline at the end */
static struct demo_file both[2] = { { .path = "/poem", .records = 4 }, { .path = "/note", .records = 1 } };
static const struct demo_files files = { .all = both, .count = 2 };

/* A spool is written entry by entry. */
struct spool {
    char path[64];
    FILE *out;
};

static void put(struct spool *spool, int partition, int64_t offset, const char *file, unsigned number,
                const char *value, bool newline)
{
    struct demo_spool_entry entry;
    memset(&entry, 0, sizeof entry);
    entry.partition = partition;
    entry.offset = offset;
    entry.key_size = (uint32_t)strlen(file);
    entry.value_size = (uint32_t)strlen(value);
    entry.line.bytes[7] = (unsigned char)number;
    entry.line.bytes[8] = newline;
    fwrite(&entry, sizeof entry, 1, spool->out);
    fputs(file, spool->out);
    fputs(value, spool->out);
}

static struct spool open_spool(void)
{
    struct spool spool = { .path = "/tmp/spool-XXXXXX" };
    spool.out = fdopen(mkstemp(spool.path), "wb");
    assert_non_null(spool.out);
    complaint[0] = 0;
    return spool;
}

static void put_note(struct spool *spool)
{
    put(spool, 1, 0, "/note", 0, "note", true);
}

static void put_poem_from(struct spool *spool, int64_t offset, unsigned number)
{
    static const char *const lines[] = { "one", "two", "three", "end" };
    for (; number < 4; number++)
        put(spool, 0, offset++, "/poem", number, lines[number], number < 3);
}

static int judge(struct spool *spools, size_t count, struct demo_verdict *verdict)
{
    const char *paths[2] = { NULL, NULL };
    memset(verdict, 0, sizeof *verdict);
    for (size_t i = 0; i < count; i++) {
        paths[i] = spools[i].path;
        fclose(spools[i].out);
    }
    int status = demo_verify(&files, paths, count, verdict);
    for (size_t i = 0; i < count; i++)
        unlink(paths[i]);
    return status;
}

static int set_up(void **state)
{
    (void)state;
    SHA256((const unsigned char *)poem, strlen(poem), both[0].sha256);
    SHA256((const unsigned char *)"note\n", 5, both[1].sha256);
    return 0;
}

/* Two readers, one of which was killed: it read what the other read again, and its last entry is torn. */
static void all_is_well(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spools[2] = { open_spool(), open_spool() };
    put(&spools[0], 0, 5, "/poem", 0, "one", true);
    put(&spools[0], 0, 6, "/poem", 1, "two", true);
    put(&spools[0], 0, 7, "/poem", 2, "thr", true);
    fflush(spools[0].out);
    assert_int_equal(ftruncate(fileno(spools[0].out), ftello(spools[0].out) - 1), 0);
    put(&spools[1], 0, 6, "/poem", 1, "two", true);
    put_poem_from(&spools[1], 7, 2);
    put_note(&spools[1]);
    assert_int_equal(judge(spools, 2, &v), 0);
    assert_string_equal(complaint, "");
    assert_int_equal(v.files_equal, 2);
    assert_int_equal(v.redelivered, 1);
    assert_int_equal(v.records, 5);
    assert_int_equal(v.lost + v.duplicates + v.out_of_order + v.files_different, 0);
}

static void a_lost_piece(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    put(&spool, 0, 0, "/poem", 0, "one", true);
    put_poem_from(&spool, 1, 2);
    put_note(&spool);
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_non_null(strstr(complaint, "/poem: a piece is missing or out of order at partition 0 offset 1"));
    assert_int_equal(v.files_different, 1);
    assert_int_equal(v.files_equal, 1);
}

static void a_lost_end(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    put(&spool, 0, 0, "/poem", 0, "one", true);
    put(&spool, 0, 1, "/poem", 1, "two", true);
    put_note(&spool);
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_string_equal(complaint, "/poem: 2 of 4 records came");
    assert_int_equal(v.lost, 2);
}

static void nothing_at_all(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_int_equal(v.lost, 5);
    assert_int_equal(v.files_different, 2);
}

/* The same piece under two offsets: it is in the log twice, which is worse than being read twice. */
static void a_piece_twice_in_the_log(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    put(&spool, 0, 0, "/poem", 0, "one", true);
    put_poem_from(&spool, 1, 0);
    put_note(&spool);
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_non_null(strstr(complaint, "/poem: a piece is in the log twice"));
    assert_int_equal(v.duplicates, 1);
    assert_int_equal(v.redelivered, 0);
}

static void pieces_exchanged(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    put(&spool, 0, 0, "/poem", 1, "two", true);
    put(&spool, 0, 1, "/poem", 0, "one", true);
    put_poem_from(&spool, 2, 2);
    put_note(&spool);
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_true(v.out_of_order > 0);
}

/* All pieces are there and in order, but a byte is another: only the SHA-256 tells. */
static void a_changed_byte(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    put(&spool, 0, 0, "/poem", 0, "onf", true);
    put_poem_from(&spool, 1, 1);
    put_note(&spool);
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_string_equal(complaint, "/poem: the SHA-256 differs");
}

/* What two readers say of the same place must be the same, whichever of them is believed. */
static void another_record_at_the_second_reading(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spools[2] = { open_spool(), open_spool() };
    put_poem_from(&spools[0], 0, 0);
    put_note(&spools[0]);
    put(&spools[1], 0, 1, "/poem", 1, "twp", true);
    assert_int_equal(judge(spools, 2, &v), 1);
    assert_int_equal(v.redelivered, 1);
    assert_true(v.files_different > 0);
}

/* A newline that is not in the file. */
static void a_newline_too_many(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    for (unsigned i = 0; i < 4; i++)
        put(&spool, 0, i, "/poem", i, (const char *[]){ "one", "two", "three", "end" }[i], true);
    put_note(&spool);
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_string_equal(complaint, "/poem: the SHA-256 differs");
}

static void an_unknown_file(void **state)
{
    struct demo_verdict v;
    (void)state;
    struct spool spool = open_spool();
    put_poem_from(&spool, 0, 0);
    put_note(&spool);
    put(&spool, 2, 0, "/poe", 0, "x", true); /* almost a name */
    assert_int_equal(judge(&spool, 1, &v), 1);
    assert_non_null(strstr(complaint, "partition 2 offset 0 holds a record of an unknown file"));
}

static void no_spool(void **state)
{
    struct demo_verdict v = { 0 };
    (void)state;
    assert_int_equal(demo_verify(&files, (const char *[]){ "/no/such/spool" }, 1, &v), 1);
    assert_string_equal(complaint, "/no/such/spool cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_well),
        cmocka_unit_test(a_lost_piece),
        cmocka_unit_test(a_lost_end),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(pieces_exchanged),
        cmocka_unit_test(a_piece_twice_in_the_log),
        cmocka_unit_test(a_changed_byte),
        cmocka_unit_test(a_newline_too_many),
        cmocka_unit_test(an_unknown_file),
        cmocka_unit_test(no_spool),
        cmocka_unit_test(another_record_at_the_second_reading),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
