/* Printing records. JSON is lossless: text as strings, other bytes as {"base64":"..."}, null as null. */
#include "output.h"
#include <stdlib.h>
#include <string.h>

/* Bytes of the UTF-8 character at p, or 0 if there is none. */
static size_t utf8_size(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static bool is_text(kc_bytes bytes)
{
    const unsigned char *p = bytes.data;
    for (size_t at = 0, n; at < bytes.size; at += n)
        if ((n = utf8_size(p + at, bytes.size - at)) == 0)
            return false;
    return true;
}

static void json_text(const char *p, size_t size)
{
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c == '\n')
            fputs("\\n", stdout);
        else if (c == '\t')
            fputs("\\t", stdout);
        else if (c < 0x20 || c == 0x7f)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void json_base64(const unsigned char *p, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    fputs("{\"base64\":\"", stdout);
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned value = (unsigned)p[i] << 16 | (left > 1 ? (unsigned)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        putchar(digits[value >> 18]);
        putchar(digits[value >> 12 & 63]);
        putchar(left > 1 ? digits[value >> 6 & 63] : '=');
        putchar(left > 2 ? digits[value & 63] : '=');
    }
    fputs("\"}", stdout);
}

static void json_bytes(kc_bytes bytes)
{
    if (!bytes.data)
        fputs("null", stdout);
    else if (is_text(bytes))
        json_text(bytes.data, bytes.size);
    else
        json_base64(bytes.data, bytes.size);
}

static void print_json(const kc_record_view *view)
{
    fputs("{\"topic\":", stdout);
    json_text(view->topic, strlen(view->topic));
    printf(",\"partition\":%d,\"offset\":%lld,\"timestamp\":%lld,\"key\":", view->partition, (long long)view->offset,
           (long long)view->timestamp_ms);
    json_bytes(view->key);
    fputs(",\"value\":", stdout);
    json_bytes(view->value);
    fputs(",\"headers\":[", stdout);
    for (uint32_t i = 0; i < view->header_count; i++) {
        kc_bytes name, value;
        if (kc_record_view_header(view, i, &name, &value) != KC_OK)
            break;
        fputs(i ? ",[" : "[", stdout);
        json_bytes(name);
        putchar(',');
        json_bytes(value);
        putchar(']');
    }
    fputs("]}\n", stdout);
}

static void print_headers(const kc_record_view *view)
{
    for (uint32_t i = 0; i < view->header_count; i++) {
        kc_bytes name, value;
        if (kc_record_view_header(view, i, &name, &value) != KC_OK)
            break;
        printf("%s%.*s=%.*s", i ? "," : "", (int)name.size, (const char *)name.data, (int)value.size,
               value.data ? (const char *)value.data : "");
    }
}

static void print_field(char field, const kc_record_view *view)
{
    switch (field) {
    case 't':
        fputs(view->topic, stdout);
        break;
    case 'p':
        printf("%d", view->partition);
        break;
    case 'o':
        printf("%lld", (long long)view->offset);
        break;
    case 'T':
        printf("%lld", (long long)view->timestamp_ms);
        break;
    case 'k':
        fwrite(view->key.data ? view->key.data : "", 1, view->key.size, stdout);
        break;
    case 's':
        fwrite(view->value.data ? view->value.data : "", 1, view->value.size, stdout);
        break;
    case 'K':
        printf("%lld", view->key.data ? (long long)view->key.size : -1);
        break;
    case 'S':
        printf("%lld", view->value.data ? (long long)view->value.size : -1);
        break;
    case 'h':
        print_headers(view);
        break;
    default:
        putchar('%');
    }
}

bool kct_output_format_ok(const char *format)
{
    for (const char *at = strchr(format, '%'); at; at = strchr(at + 2, '%'))
        if (!at[1] || !strchr("tpoTksKSh%", at[1]))
            return false;
    return true;
}

static void print_escape(const char **at)
{
    char piece[5] = { 0 };
    size_t length = (*at)[1] == 'x' ? strnlen(*at, 4) : strnlen(*at, 2);
    memcpy(piece, *at, length);
    size_t size = kct_unescape(piece);
    fwrite(piece, 1, size, stdout);
    *at += length;
}

static void print_format(const char *format, const kc_record_view *view)
{
    for (const char *at = format; *at;) {
        if (*at == '\\') {
            print_escape(&at);
        } else if (*at == '%' && at[1]) {
            print_field(at[1], view);
            at += 2;
        } else {
            putchar(*at++);
        }
    }
}

bool kct_output_record(const struct kct_output *output, const kc_record_view *view)
{
    if (output->json) {
        print_json(view);
    } else if (output->format) {
        print_format(output->format, view);
    } else {
        size_t size = view->value.size;
        if (output->prefixed) {
            const unsigned char prefix[4] = { (unsigned char)(size >> 24), (unsigned char)(size >> 16),
                                              (unsigned char)(size >> 8), (unsigned char)size };
            fwrite(prefix, 1, sizeof prefix, stdout);
        }
        fwrite(view->value.data ? view->value.data : "", 1, size, stdout);
        if (!output->prefixed)
            putchar('\n');
    }
    return !ferror(stdout);
}
