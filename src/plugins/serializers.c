/* Java's serializers and deserializers, side by side, one format after the other.
 *
 *   short, integer, long   2, 4, 8 bytes, big-endian, two's complement
 *   float, double          4, 8 bytes, IEEE 754, big-endian
 *   uuid                   "01234567-89ab-cdef-0123-456789abcdef", lower case when written
 *   string                 UTF-8
 *
 * A serializer is given what the application has in memory and refuses any other size, so that an int64_t under
 * value.serializer=integer fails at once and not in somebody else's consumer. */
#include "plugins/serializers.h"
#include "base/cursor.h"
#include "plugins/utf8.h"

#include <kclient/serializer.h>
#include <string.h>

#define UUID_BYTES 16
#define UUID_TEXT  36

/* ---- numbers ---- */

static kc_err append_number(kc_bytes object, size_t size, kc_buffer *out)
{
    uint8_t bytes[8];
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    if (object.size != size)
        return KC_ERR_SERIALIZATION;
    if (size == sizeof two) {
        memcpy(&two, object.data, size);
        kci_put16(bytes, two);
    } else if (size == sizeof four) {
        memcpy(&four, object.data, size);
        kci_put32(bytes, four);
    } else {
        memcpy(&eight, object.data, size);
        kci_put64(bytes, eight);
    }
    return kc_buffer_append(out, bytes, size);
}

static kc_err serialize_2(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    (void)context, (void)topic;
    return append_number(object, 2, out);
}

static kc_err serialize_4(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    (void)context, (void)topic;
    return append_number(object, 4, out);
}

static kc_err serialize_8(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    (void)context, (void)topic;
    return append_number(object, 8, out);
}

kc_err kc_short_from(kc_bytes bytes, int16_t *out)
{
    if (!bytes.data || bytes.size != sizeof *out)
        return KC_ERR_SERIALIZATION;
    uint16_t bits = kci_be16(bytes.data);
    memcpy(out, &bits, sizeof bits);
    return KC_OK;
}

kc_err kc_int32_from(kc_bytes bytes, int32_t *out)
{
    if (!bytes.data || bytes.size != sizeof *out)
        return KC_ERR_SERIALIZATION;
    uint32_t bits = kci_be32(bytes.data);
    memcpy(out, &bits, sizeof bits);
    return KC_OK;
}

kc_err kc_int64_from(kc_bytes bytes, int64_t *out)
{
    if (!bytes.data || bytes.size != sizeof *out)
        return KC_ERR_SERIALIZATION;
    uint64_t bits = kci_be64(bytes.data);
    memcpy(out, &bits, sizeof bits);
    return KC_OK;
}

kc_err kc_float_from(kc_bytes bytes, float *out)
{
    if (!bytes.data || bytes.size != sizeof *out)
        return KC_ERR_SERIALIZATION;
    uint32_t bits = kci_be32(bytes.data);
    memcpy(out, &bits, sizeof bits);
    return KC_OK;
}

kc_err kc_double_from(kc_bytes bytes, double *out)
{
    if (!bytes.data || bytes.size != sizeof *out)
        return KC_ERR_SERIALIZATION;
    uint64_t bits = kci_be64(bytes.data);
    memcpy(out, &bits, sizeof bits);
    return KC_OK;
}

/* ---- UUIDs ---- */

static bool dash_before(size_t byte)
{
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

static kc_err serialize_uuid(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = object.data;
    char text[UUID_TEXT];
    size_t at = 0;
    (void)context, (void)topic;
    if (object.size != UUID_BYTES)
        return KC_ERR_SERIALIZATION;
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (dash_before(i))
            text[at++] = '-';
        text[at++] = digits[bytes[i] >> 4];
        text[at++] = digits[bytes[i] & 15];
    }
    return kc_buffer_append(out, text, sizeof text);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

kc_err kc_uuid_from(kc_bytes bytes, uint8_t out[16])
{
    const char *text = bytes.data;
    uint8_t found[UUID_BYTES];
    size_t at = 0;
    if (!text || bytes.size != UUID_TEXT)
        return KC_ERR_SERIALIZATION;
    for (size_t i = 0; i < UUID_BYTES; i++, at += 2) {
        if (dash_before(i) && text[at++] != '-')
            return KC_ERR_SERIALIZATION;
        int high = digit_of(text[at]), low = digit_of(text[at + 1]);
        if (high < 0 || low < 0)
            return KC_ERR_SERIALIZATION;
        found[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(out, found, sizeof found);
    return KC_OK;
}

/* ---- text ---- */

static kc_err serialize_string(void *context, const char *topic, kc_bytes object, kc_buffer *out)
{
    (void)context, (void)topic;
    if (!kci_utf8_valid(object.data, object.size))
        return KC_ERR_SERIALIZATION;
    return kc_buffer_append(out, object.data, object.size);
}

kc_err kc_string_from(kc_bytes bytes, char *out, size_t size)
{
    if (!bytes.data || bytes.size >= size || !kci_utf8_valid(bytes.data, bytes.size))
        return KC_ERR_SERIALIZATION;
    memcpy(out, bytes.data, bytes.size);
    out[bytes.size] = 0;
    return KC_OK;
}

/* ---- by number ---- */

kc_serializer kci_serializers_of(enum kci_format format)
{
    switch (format) {
    case KCI_FORMAT_BYTES:
        break;
    case KCI_FORMAT_STRING:
        return (kc_serializer){ "string", NULL, serialize_string, NULL };
    case KCI_FORMAT_SHORT:
        return (kc_serializer){ "short", NULL, serialize_2, NULL };
    case KCI_FORMAT_INTEGER:
        return (kc_serializer){ "integer", NULL, serialize_4, NULL };
    case KCI_FORMAT_LONG:
        return (kc_serializer){ "long", NULL, serialize_8, NULL };
    case KCI_FORMAT_FLOAT:
        return (kc_serializer){ "float", NULL, serialize_4, NULL };
    case KCI_FORMAT_DOUBLE:
        return (kc_serializer){ "double", NULL, serialize_8, NULL };
    case KCI_FORMAT_UUID:
        return (kc_serializer){ "uuid", NULL, serialize_uuid, NULL };
    }
    return (kc_serializer){ 0 };
}
