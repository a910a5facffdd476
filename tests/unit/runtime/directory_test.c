/* A directory as the broker's storage: what is appended is read back, failures carry their cause, and no path leads
 * out. */
#define _GNU_SOURCE /* mkdtemp */
#include "runtime/runtime.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char path[64];
    struct kci_storage storage;
};

static int open_place(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    char base[] = "/tmp/kclient-directory-XXXXXX";
    assert_non_null(mkdtemp(base));
    snprintf(place->path, sizeof place->path, "%s/a/b", base);
    assert_int_equal(kci_storage_directory(&place->storage, kci_heap_alloc(), place->path), 0);
    *state = place;
    return 0;
}

static int close_place(void **state)
{
    struct place *place = *state;
    char base[64];
    kci_storage_close(&place->storage);
    rmdir(place->path);
    snprintf(base, sizeof base, "%.*s/a", (int)strlen("/tmp/kclient-directory-XXXXXX"), place->path);
    rmdir(base);
    base[strlen(base) - 2] = '\0';
    assert_int_equal(rmdir(base), 0); /* every story cleans up what it made */
    free(place);
    return 0;
}

static int64_t open_new(struct kci_storage *storage, const char *path)
{
    int64_t file = 0;
    uint64_t size = 1;
    assert_int_equal(storage->open(storage->context, path, true, &file, &size), 0);
    assert_true(file > 0 && size == 0);
    return file;
}

/* More pieces than one system call takes, some of them empty, read back from any place. */
static void what_is_appended_is_read_back(void **state)
{
    struct kci_storage *storage = &((struct place *)*state)->storage;
    struct kci_iov pieces[3000];
    uint8_t bytes[3000], back[6000];
    size_t got;
    uint64_t size;
    int64_t file = open_new(storage, "orders-0/00000000000000000000.log"), again;
    for (size_t i = 0; i < 3000; i++) {
        bytes[i] = (uint8_t)(i * 7);
        pieces[i] = (struct kci_iov){ &bytes[i], i % 5 != 0 };
    }
    assert_int_equal(storage->append(storage->context, file, pieces, 3000), 0);
    assert_int_equal(storage->append(storage->context, file, pieces, 0), 0);
    assert_int_equal(storage->read(storage->context, file, 0, back, sizeof back, &got), 0);
    assert_int_equal(got, 2400);
    for (size_t i = 0, at = 0; i < 3000; i++)
        if (i % 5 != 0)
            assert_int_equal(back[at++], bytes[i]);
    assert_int_equal(storage->read(storage->context, file, 2399, back, 10, &got), 0);
    assert_int_equal(got, 1);
    assert_int_equal(storage->read(storage->context, file, 5000, back, 10, &got), 0);
    assert_int_equal(got, 0);
    assert_int_equal(storage->sync(storage->context, file), 0);
    assert_int_equal(storage->truncate(storage->context, file, 100), 0);
    assert_int_equal(storage->append(storage->context, file, pieces + 1, 1), 0);
    storage->close(storage->context, file);
    assert_int_equal(storage->open(storage->context, "orders-0/00000000000000000000.log", false, &again, &size), 0);
    assert_int_equal(size, 101);
    storage->close(storage->context, again);
    assert_int_equal(storage->remove(storage->context, "orders-0"), 0);
    assert_int_equal(storage->open(storage->context, "orders-0/00000000000000000000.log", false, &again, &size),
                     ENOENT);
}

static void append_name(void *user, const char *name, bool is_directory)
{
    strcat(user, name);
    strcat(user, is_directory ? "/ " : " ");
}

static void entries_come_in_the_order_of_their_names(void **state)
{
    struct kci_storage *storage = &((struct place *)*state)->storage;
    static const char *const names[] = { "b", "d/deep/er/x", "a", "c", "d/y" };
    char text[100] = "";
    for (size_t i = 0; i < 5; i++)
        storage->close(storage->context, open_new(storage, names[i]));
    assert_int_equal(storage->list(storage->context, "", append_name, text), 0);
    assert_string_equal(text, "a b c d/ ");
    text[0] = '\0';
    assert_int_equal(storage->list(storage->context, "d", append_name, text), 0);
    assert_string_equal(text, "deep/ y ");
    assert_int_equal(storage->list(storage->context, "none", append_name, text), ENOENT);
    assert_int_equal(storage->rename(storage->context, "d/y", "d/z"), 0);
    assert_int_equal(storage->rename(storage->context, "d/y", "d/z"), ENOENT);
    for (const char *rest = "abcd"; *rest; rest++)
        assert_int_equal(storage->remove(storage->context, (char[]){ *rest, '\0' }), 0);
    assert_int_equal(storage->remove(storage->context, "a"), ENOENT);
}

/* Topic names come from the network. */
static void no_path_leads_out(void **state)
{
    struct kci_storage *storage = &((struct place *)*state)->storage;
    static const char *const bad[] = { "", "/etc/x", "../x", "a/../../x", "a//b", "a/", ".", "a/./b", ".." };
    char text[10] = "", longest[600];
    int64_t file;
    uint64_t size;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(storage->open(storage->context, bad[i], true, &file, &size), EINVAL);
        assert_int_equal(storage->remove(storage->context, bad[i]), EINVAL);
        assert_int_equal(storage->rename(storage->context, "a", bad[i]), EINVAL);
    }
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(storage->open(storage->context, longest, true, &file, &size), EINVAL);
    assert_int_equal(storage->list(storage->context, "../..", append_name, text), EINVAL);
}

/* The device that is always full. */
static void a_full_disk_is_reported(void **state)
{
    struct kci_storage device;
    struct kci_iov piece = { "x", 1 };
    int64_t file;
    uint64_t size;
    (void)state;
    assert_int_equal(kci_storage_directory(&device, kci_heap_alloc(), "/dev"), 0);
    assert_int_equal(device.open(device.context, "full", false, &file, &size), 0);
    assert_int_equal(device.append(device.context, file, &piece, 1), ENOSPC);
    device.close(device.context, file);
    kci_storage_close(&device);
}

/* Two brokers in one directory would destroy each other's logs. */
static void a_directory_has_one_owner(void **state)
{
    struct place *place = *state;
    struct kci_storage other;
    char file[80];
    assert_int_equal(kci_storage_directory(&other, kci_heap_alloc(), place->path), EBUSY);
    kci_storage_close(&place->storage);
    assert_int_equal(kci_storage_directory(&other, kci_heap_alloc(), place->path), 0);
    other.close(other.context, open_new(&other, "file"));
    kci_storage_close(&other);
    snprintf(file, sizeof file, "%s/file", place->path);
    assert_int_equal(kci_storage_directory(&other, kci_heap_alloc(), file), ENOTDIR);
    assert_int_equal(kci_storage_directory(&other, kci_heap_alloc(), ""), ENOENT);
    assert_int_equal(unlink(file), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_appended_is_read_back, open_place, close_place),
        cmocka_unit_test_setup_teardown(entries_come_in_the_order_of_their_names, open_place, close_place),
        cmocka_unit_test_setup_teardown(no_path_leads_out, open_place, close_place),
        cmocka_unit_test(a_full_disk_is_reported),
        cmocka_unit_test_setup_teardown(a_directory_has_one_owner, open_place, close_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
