/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "support/check.h"
#include "text/split.h"

#include <stdlib.h>
#include <string.h>

/* Text and its pieces, separated by '|' (which is in no text here). */
typedef struct example {
    const char *text, *pieces;
} example;

static const example examples[] = {
    {"", ""},
    {"a   b", "a|  | b"},
    {"I'LL we'll", "I|'|LL| we|'ll"},
    {"12345", "12345"},
    {"(foo)", "(|foo|)"},
    {"foo!!\n\nbar", "foo|!!|\n|\n|bar"},
    {"x\n\n  y", "x|\n\n | y"},
    {"tab\tword", "tab|\t|word"},
    {"a \n", "a| \n"},
    {" ", " "},
    {"  ", "  "},
    {" a", " a"},
    {"a1 b2", "a|1| b|2"},
    {"it's don't we're I've I'm I'd", "it|'s| don|'t| we|'re| I|'ve| I|'m| I|'d"},
    {"'lx 're 'r", "'|lx| '|re| '|r"},
    {"'''s", "'''|s"},
    {"caf\xc3\xa9 \xc3\x9c", "caf\xc3\xa9| \xc3\x9c"},
    {"\xe6\xbc\xa2\xe5\xad\x97\xe3\x80\x82", "\xe6\xbc\xa2\xe5\xad\x97|\xe3\x80\x82"},
    {"x\xe3\x80\x80y", "x|\xe3\x80\x80|y"},          /* U+3000 is white space */
    {"x\xc2\x85\xc2\xa0y", "x|\xc2\x85|\xc2\xa0|y"}, /* U+0085 and U+00A0 are */
    {"x\xe1\xa0\x8ey", "x|\xe1\xa0\x8e|y"},          /* U+180E is not */
    {"a \xe1\xa0\x8e", "a| \xe1\xa0\x8e"},           /* ... so a space joins it */
    {"a\x1c\x1d", "a|\x1c\x1d"},                     /* nor are these */
    {"\xf0\x9f\x98\x80\xf0\x9f\x9a\x80!", "\xf0\x9f\x98\x80\xf0\x9f\x9a\x80!"},
    {"\xc2\xb2\xe2\x85\xa7", "\xc2\xb2\xe2\x85\xa7"},   /* superscript two, roman eight: N */
    {"e\xcc\x81", "e|\xcc\x81"},                        /* a combining mark is no letter */
    {"a\xff\xc3z", "a|\xff\xc3|z"},                     /* invalid bytes are others */
    {"\xed\xa0\x80 \xc0\xaf", "\xed\xa0\x80| \xc0\xaf"} /* surrogate, overlong */
};

static void join_pieces(char *out, const char *text)
{
    size_t bytes = strlen(text), piece;

    for (; bytes > 0; bytes -= piece) {
        piece = pkm_split_next((const unsigned char *)text, bytes, true);
        assert_in_range(piece, 1, bytes);
        memcpy(out, text, piece);
        out += piece;
        text += piece;
        if (bytes > piece)
            *out++ = '|';
    }
    *out = '\0';
}

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        char got[256];

        join_pieces(got, examples[i].text);
        assert_string_equal(got, examples[i].pieces);
    }
}

/* Random text over characters of all classes, some of them broken. */
static size_t random_text(unsigned char *out, size_t bytes, uint64_t seed)
{
    static const char *const parts[] = {"a",
                                        "Zq",
                                        "0",
                                        " ",
                                        "  ",
                                        "\n",
                                        "\t",
                                        "'s",
                                        "'",
                                        "!",
                                        "?",
                                        "'ll",
                                        "\xc3\xa9",
                                        "\xc2\xa0",
                                        "\xff",
                                        "\xe3\x80\x80",
                                        "\xe6\xbc\xa2",
                                        "\xc3",
                                        "\xe3\x80"};
    pkm_rng rng = {.seed = seed};
    size_t used = 0;

    for (uint64_t i = 0;; i++) {
        const char *part = parts[pkm_rng_u32(&rng, i) % (sizeof parts / sizeof parts[0])];

        if (used + strlen(part) > bytes)
            return used;
        memcpy(out + used, part, strlen(part));
        used += strlen(part);
    }
}

/* With the rest of the text unknown the answer is the same, or "cannot tell". */
static void test_unfinished_text(void **state)
{
    enum { BYTES = 64 };

    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        unsigned char *text = guard_alloc(BYTES);
        size_t bytes = random_text(text, BYTES, seed), piece;

        memmove(text + BYTES - bytes, text, bytes);
        piece = pkm_split_next(text + BYTES - bytes, bytes, true);
        for (size_t seen = 0; seen < bytes; seen++) {
            size_t early = pkm_split_next(text + BYTES - bytes, seen, false);

            assert_true(early == 0 || early == piece);
        }
        guard_free(text, BYTES);
    }
}

/* A cut is a place where the pieces of the whole are cut too. */
static void check_cut(const unsigned char *text, size_t bytes, size_t target)
{
    size_t cut = pkm_split_cut(text, bytes, target, true), end = 0;

    assert_true(cut <= bytes);
    while (end < cut)
        end += pkm_split_next(text + end, bytes - end, true);
    assert_int_equal(end, cut);
    for (end = 0; end < cut;) /* and the left side alone splits the same way */
        end += pkm_split_next(text + end, cut - end, true);
    assert_int_equal(end, cut);
}

static void test_cuts(void **state)
{
    unsigned char text[64];

    (void)state;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        size_t bytes = random_text(text, sizeof text, seed);

        for (size_t target = 1; target <= bytes; target++)
            check_cut(text, bytes, target);
    }
}

static void test_longest_piece(void **state)
{
    size_t bytes = PKM_PIECE_MAX + 10;
    unsigned char *text = malloc(bytes);

    (void)state;
    memset(text, 'x', bytes);
    assert_int_equal(pkm_split_next(text, bytes, true), PKM_PIECE_MAX);
    assert_int_equal(pkm_split_next(text, PKM_PIECE_MAX, false), PKM_PIECE_MAX);
    assert_int_equal(pkm_split_next(text, PKM_PIECE_MAX - 1, false), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_unfinished_text),
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_longest_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
