/* Sets of characters by name, as far as they reach into ASCII: perl's, POSIX's, and the categories and scripts of Unicode
 * that RE2/J knows.  Two characters beyond ASCII count: when case does not matter, U+017F is an s and U+212A a k. */
#include "mockbroker/core/re2_program.h"

#define LONG_S 0x17F
#define KELVIN 0x212A

static void add(struct mb_re2_set *set, int32_t c)
{
    set->bits[c / 64] |= UINT64_C(1) << (c % 64);
}

static bool has(const struct mb_re2_set *set, int32_t c)
{
    return set->bits[c / 64] >> (c % 64) & 1;
}

void mb_re2_class_range(struct mb_re2_class *set, int32_t low, int32_t high)
{
    for (int32_t c = low; c <= high && c < 128; c++)
        add(&set->set, c);
    set->long_s |= low <= LONG_S && LONG_S <= high;
    set->kelvin |= low <= KELVIN && KELVIN <= high;
}

void mb_re2_class_merge(struct mb_re2_class *set, const struct mb_re2_class *other)
{
    set->set.bits[0] |= other->set.bits[0];
    set->set.bits[1] |= other->set.bits[1];
    set->long_s |= other->long_s;
    set->kelvin |= other->kelvin;
}

void mb_re2_class_fold(struct mb_re2_class *set)
{
    if (set->long_s)
        add(&set->set, 's');
    if (set->kelvin)
        add(&set->set, 'k');
    for (int32_t c = 'a'; c <= 'z'; c++)
        if (has(&set->set, c) || has(&set->set, c - 32)) {
            add(&set->set, c);
            add(&set->set, c - 32);
        }
    set->long_s |= has(&set->set, 's');
    set->kelvin |= has(&set->set, 'k');
}

void mb_re2_class_negate(struct mb_re2_class *set)
{
    set->set.bits[0] = ~set->set.bits[0];
    set->set.bits[1] = ~set->set.bits[1];
    set->long_s = !set->long_s;
    set->kelvin = !set->kelvin;
}

/* Pairs of first and last; the letters beyond ASCII as flags. */
struct named {
    const char *name, *ranges;
    bool long_s, kelvin;
};

static void take(struct mb_re2_class *set, const struct named *named)
{
    for (const char *at = named->ranges; at[0]; at += 2)
        mb_re2_class_range(set, (uint8_t)at[0], (uint8_t)at[1]);
    set->long_s |= named->long_s;
    set->kelvin |= named->kelvin;
}

static const struct named *find(const struct named *rows, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

#define COUNT(rows) (sizeof(rows) / sizeof(rows)[0])

bool mb_re2_class_perl(struct mb_re2_class *set, int32_t letter)
{
    static const struct named rows[] = { { "d", "09", false, false },
                                         { "s", "\t\n\f\r  ", false, false },
                                         { "w", "09AZ__az", false, false } };
    char name[2] = { letter < 128 ? (char)letter : ' ' };
    const struct named *row = find(rows, COUNT(rows), name);
    if (row)
        take(set, row);
    return row != NULL;
}

#define ZERO(set) ((set)->set.bits[0] |= 1) /* the character 0, which a text cannot say */

bool mb_re2_class_posix(struct mb_re2_class *set, const char *name)
{
    static const struct named rows[] = {
        { "alnum", "09AZaz", false, false },
        { "alpha", "AZaz", false, false },
        { "ascii", "\001\177", false, false },
        { "blank", "\t\t  ", false, false },
        { "cntrl", "\001\037\177\177", false, false },
        { "digit", "09", false, false },
        { "graph", "!~", false, false },
        { "lower", "az", false, false },
        { "print", " ~", false, false },
        { "punct", "!/:@[`{~", false, false },
        { "space", "\t\r  ", false, false },
        { "upper", "AZ", false, false },
        { "word", "09AZaz__", false, false },
        { "xdigit", "09AFaf", false, false },
    };
    const struct named *row = find(rows, COUNT(rows), name);
    if (!row)
        return false;
    take(set, row);
    if (strcmp(name, "ascii") == 0 || strcmp(name, "cntrl") == 0)
        ZERO(set);
    return true;
}

/* Those that have nothing in ASCII. */
static const char elsewhere[] =
    " Arabic Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal "
    "Carian Cham Cherokee Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Egyptian_Hieroglyphs Ethiopic Georgian "
    "Glagolitic Gothic Greek Gujarati Gurmukhi Han Hangul Hanunoo Hebrew Hiragana Imperial_Aramaic Inherited "
    "Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khmer Lao "
    "Lepcha "
    "Limbu Linear_B Lisu Lycian Lydian Malayalam Mandaic Meetei_Mayek Mongolian Myanmar New_Tai_Lue Nko Ogham Ol_Chiki "
    "Old_Italic Old_Persian Old_South_Arabian Old_Turkic Oriya Osmanya Phags_Pa Phoenician Rejang Runic Samaritan "
    "Saurashtra Shavian Sinhala Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Tamil Telugu "
    "Thaana Thai Tibetan Tifinagh Ugaritic Unknown Vai Yi Cf Co Cs Lm Lo Lt M Mc Me Mn Nl No Pf Pi So Zl Zp ";

static bool is_elsewhere(const char *name)
{
    size_t size = strlen(name);
    for (const char *at = elsewhere + 1; *at; at += strcspn(at, " ") + 1)
        if (size && strcspn(at, " ") == size && memcmp(at, name, size) == 0)
            return true;
    return false;
}

bool mb_re2_class_unicode(struct mb_re2_class *set, const char *name, bool fold)
{
    static const struct named rows[] = {
        { "Any", "\001\177", true, true },
        { "C", "\001\037\177\177", false, false },
        { "Cc", "\001\037\177\177", false, false },
        { "L", "AZaz", true, true },
        { "Ll", "az", true, false },
        { "Lu", "AZ", false, true },
        { "N", "09", false, false },
        { "Nd", "09", false, false },
        { "P", "!#%*,/:;?@[]__{{}}", false, false },
        { "Pc", "__", false, false },
        { "Pd", "--", false, false },
        { "Pe", "))]]}}", false, false },
        { "Po", "!#%'**,,./:;?@\\\\", false, false },
        { "Ps", "(([[{{", false, false },
        { "S", "$$++<>^^``||~~", false, false },
        { "Sc", "$$", false, false },
        { "Sk", "^^``", false, false },
        { "Sm", "++<>||~~", false, false },
        { "Z", "  ", false, false },
        { "Zs", "  ", false, false },
        { "Common", "\001@[`{\177", false, false },
        { "Latin", "AZaz", true, true },
    };
    static const struct named folded[] = { { "Ll", "KKSS", false, true }, { "Lu", "az", true, false } };
    const struct named *row = find(rows, COUNT(rows), name), *also = fold ? find(folded, COUNT(folded), name) : NULL;
    if (!row)
        return is_elsewhere(name);
    take(set, row);
    if (also)
        take(set, also);
    if (row->ranges[0] == '\001')
        ZERO(set);
    return true;
}
