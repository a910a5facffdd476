/* Values in Kafka's own formats: what Java's serializers write and its deserializers read, so that services in either
 * language understand each other.  Writing is chosen by name in the configuration, reading is done with the functions
 * below.
 *
 *   key.serializer, value.serializer   what kc_record.key and .value must hold             bytes of the record
 *   bytes (the default)                any bytes                                           the same
 *   string                             text in UTF-8, without NUL                          the same, checked
 *   short, integer, long               an int16_t, int32_t, int64_t as C stores it         2, 4, 8 bytes, big-endian
 *   float, double                      a float, a double as C stores it                    4, 8 bytes, IEEE 754, big-endian
 *   uuid                               16 bytes, as written from left to right             36 characters of text
 *
 * Null stays null with all of them. The names of Java's classes are accepted as well, with or without their package. */
#ifndef KCLIENT_SERIALIZER_H
#define KCLIENT_SERIALIZER_H

#include <kclient/record.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All functions here: any thread, never wait, touch *out only when they succeed.
 * KC_ERR_SERIALIZATION: the bytes have another size or form, or are null (a tombstone: look at bytes.data first). */

/* 2 bytes, big-endian. */
KC_EXPORT kc_err kc_short_from(kc_bytes bytes, int16_t *out);
/* 4 bytes, big-endian. */
KC_EXPORT kc_err kc_int32_from(kc_bytes bytes, int32_t *out);
/* 8 bytes, big-endian. */
KC_EXPORT kc_err kc_int64_from(kc_bytes bytes, int64_t *out);
/* 4 bytes, IEEE 754, big-endian. */
KC_EXPORT kc_err kc_float_from(kc_bytes bytes, float *out);
/* 8 bytes, IEEE 754, big-endian. */
KC_EXPORT kc_err kc_double_from(kc_bytes bytes, double *out);
/* 36 characters, 8-4-4-4-12 hexadecimal digits of either case, into 16 bytes. */
KC_EXPORT kc_err kc_uuid_from(kc_bytes bytes, uint8_t out[16]);
/* Text in UTF-8, copied and NUL-terminated into `size` bytes. Also KC_ERR_SERIALIZATION when it does not fit. */
KC_EXPORT kc_err kc_string_from(kc_bytes bytes, char *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
