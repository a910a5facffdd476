/* P [days D] [T [hours H] [minutes M] [seconds[.fraction] S]]: what java.time.Duration.parse() takes, without signs. */
#include "api/duration.h"

#include <stdio.h>

#define LONGEST_MS (INT64_C(100) * 366 * 24 * 3600 * 1000)

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* [digits][.digits] in thousandths. false: no digits, or absurdly many. */
static bool take_number(const char **at, int64_t *thousandths, bool *fraction)
{
    int64_t value = 0, unit = 1000;
    const char *p = *at;
    if (!is_digit(*p))
        return false;
    for (; is_digit(*p); p++) {
        if (value > LONGEST_MS)
            return false;
        value = 10 * value + (*p - '0');
    }
    value *= 1000;
    *fraction = *p == '.' || *p == ',';
    if (*fraction)
        for (p++; is_digit(*p); p++)
            value += (*p - '0') * (unit /= 10);
    *thousandths = value;
    *at = p;
    return true;
}

bool kci_duration_parse(const char *text, int64_t *ms)
{
    static const struct {
        char letter;
        int64_t seconds;
        bool time;
    } units[] = { { 'D', 86400, false }, { 'H', 3600, true }, { 'M', 60, true }, { 'S', 1, true } };
    const char *p = text;
    int64_t sum = 0;
    bool time = false, any = false;
    size_t next = 0;
    if ((*p & ~0x20) != 'P')
        return false;
    for (p++; *p;) {
        int64_t number;
        bool fraction;
        if ((*p & ~0x20) == 'T' && !time) {
            time = true;
            p++;
            any = false; /* a T wants something behind it */
            continue;
        }
        if (!take_number(&p, &number, &fraction))
            return false;
        while (next < 4 && units[next].letter != (*p & ~0x20))
            next++;
        if (next == 4 || units[next].time != time || (fraction && units[next].letter != 'S') ||
            number / 1000 > LONGEST_MS / 1000 / units[next].seconds)
            return false;
        sum += number * units[next++].seconds;
        any = true;
        p++;
        if (sum > LONGEST_MS)
            return false;
    }
    *ms = sum;
    return any;
}

char *kci_duration_text(int64_t ms, char *text, size_t size)
{
    if (ms % 1000)
        snprintf(text, size, "PT%lld.%03dS", (long long)(ms / 1000), (int)(ms % 1000));
    else
        snprintf(text, size, "PT%lldS", (long long)(ms / 1000));
    return text;
}
