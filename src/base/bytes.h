/* Borrowed bytes and text: the two views that every layer hands around.  Neither owns anything.
 * data == NULL is Kafka's null; size == 0 with data != NULL is empty. */
#ifndef KCI_BASE_BYTES_H
#define KCI_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct kci_bytes {
    const uint8_t *data; /* NULL: null */
    size_t size;         /* bytes */
};

/* Text from the wire or from the user; never NUL-terminated by contract. */
struct kci_str {
    const char *data; /* NULL: null */
    size_t size;      /* bytes, UTF-8 */
};

/* A 128-bit topic id in wire order; all zero means "none". */
struct kci_uuid {
    uint8_t b[16];
};

/* One piece of an outgoing rope; same layout as struct iovec (the runtime asserts it). */
struct kci_iov {
    const void *data;
    size_t size; /* bytes */
};

static inline struct kci_str kci_str_of(const char *text)
{
    return (struct kci_str){ text, text ? strlen(text) : 0 };
}

static inline bool kci_str_equal(struct kci_str a, struct kci_str b)
{
    return a.size == b.size && (a.data == NULL) == (b.data == NULL) &&
           (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Who keeps such a text with a NUL at its end would lose what is behind this one. */
static inline bool kci_str_has_nul(struct kci_str text)
{
    return text.size && memchr(text.data, '\0', text.size);
}

/* By bytes, a prefix before what it begins: < 0, 0, > 0. Null is empty. */
static inline int kci_str_compare(struct kci_str a, struct kci_str b)
{
    size_t least = a.size < b.size ? a.size : b.size;
    int order = least ? memcmp(a.data, b.data, least) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static inline bool kci_uuid_is_zero(const struct kci_uuid *id)
{
    static const struct kci_uuid zero;
    return memcmp(id, &zero, sizeof zero) == 0;
}

#define KCI_UUID_TEXT_SIZE 23 /* 22 characters of base64url, as Kafka prints ids, and an end */

static inline void kci_uuid_print(char out[KCI_UUID_TEXT_SIZE], const struct kci_uuid *id)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t bit = 0; bit < 128; bit += 6) {
        size_t byte = bit / 8;
        uint32_t two = (uint32_t)id->b[byte] << 8 | (byte < 15 ? id->b[byte + 1] : 0u);
        *out++ = digits[two >> (10 - bit % 8) & 63];
    }
    *out = '\0';
}

static inline bool kci_uuid_equal(const struct kci_uuid *a, const struct kci_uuid *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

#endif
