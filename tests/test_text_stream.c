/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"
#include "infer/text_stream.h"
#include "infer/utf8.h"
#include "support/check.h"

#include <string.h>

#define BAD "\xef\xbf\xbd" /* U+FFFD */

typedef struct shown {
    pkm_strbuf text;
    int calls, end_after; /* calls of the sink; the one that asks to end, 0: none */
} shown;

static int keep(const char *text, size_t bytes, void *user)
{
    shown *out = user;

    for (size_t at = 0; at < bytes;) { /* whole characters, always */
        bool valid;
        size_t piece = pkm_utf8_piece(text + at, bytes - at, &valid);

        assert_true(valid);
        at += piece;
    }
    check_ok(pkm_strbuf_append(&out->text, text, bytes));
    return ++out->calls == out->end_after;
}

/* What comes out when `in` goes in by pieces of `step` bytes. */
static void check_shown(const char *in, size_t bytes, const char *want, size_t step,
                        const char *const *stop, int n_stop)
{
    shown out = {0};
    pkm_text_stream stream;

    check_ok(pkm_text_stream_init(&stream, stop, n_stop, keep, &out));
    for (size_t at = 0; at < bytes; at += step)
        check_ok(pkm_text_stream_push(&stream, in + at, bytes - at < step ? bytes - at : step));
    check_ok(pkm_text_stream_finish(&stream));
    assert_string_equal(out.text.length > 0 ? out.text.data : "", want);
    pkm_text_stream_release(&stream);
    pkm_strbuf_release(&out.text);
}

static void check_pieces(const char *in, const char *want, const char *const *stop, int n_stop)
{
    for (size_t step = 1; step <= 7; step++)
        check_shown(in, strlen(in), want, step, stop, n_stop);
}

static void test_characters(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"a\x80z", "a" BAD "z"},
        {"\xc3", BAD},         /* cut for ever */
        {"\xf0\x9f\x98", BAD}, /* the longest beginning is one */
        {"\xf0\x9f\x98"
         "z",
         BAD "z"},
        {"\xe2\x82\xe2\x82\xac", BAD "\xe2\x82\xac"},
        {"\xc0\xaf", BAD BAD}, /* overlong */
        {"\xe0\x80\x80", BAD BAD BAD},
        {"\xed\xa0\x80", BAD BAD BAD},         /* a surrogate */
        {"\xf4\x90\x80\x80", BAD BAD BAD BAD}, /* beyond U+10FFFF */
        {"\xf5\xff\xfe", BAD BAD BAD},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_pieces(cases[i][0], cases[i][1], NULL, 0);
    check_shown("a\0b", 3, "a", 1, NULL, 0); /* a NUL is a character: the C string ends there */
}

static void test_stop_strings(void **state)
{
    static const char *const end[] = {"END", "\n\n"}, *const nested[] = {"abcd", "bc"};
    static const char *const accent[] = {"\xc3\xa9"};

    (void)state;
    check_pieces("text END more", "text ", end, 2);
    check_pieces("one\ntwo\n\nthree END", "one\ntwo", end, 2);
    check_pieces("ENENEND", "ENEN", end, 2);
    check_pieces("almost EN", "almost EN", end, 2);
    check_pieces("END", "", end, 2);
    check_pieces("xabcx", "xa", nested, 2);
    check_pieces("xabc", "xa", nested, 2);
    check_pieces("xabcdx", "x", nested, 2);
    check_pieces("caf\xc3\xa9!", "caf", accent, 1);
    check_pieces("\xe2\x82"
                 "END",
                 BAD, end, 2);
}

/* As soon as a piece can be no stop string it is shown; what may be one is not. */
static void test_holds_no_more_than_needed(void **state)
{
    static const char *const stop[] = {"END"};
    shown out = {0};
    pkm_text_stream stream;

    (void)state;
    check_ok(pkm_text_stream_init(&stream, stop, 1, keep, &out));
    check_ok(pkm_text_stream_push(&stream, "abE", 3));
    assert_string_equal(out.text.data, "ab");
    check_ok(pkm_text_stream_push(&stream, "N", 1));
    assert_string_equal(out.text.data, "ab");
    check_ok(pkm_text_stream_push(&stream, "E", 1));
    assert_string_equal(out.text.data, "abEN");
    check_ok(pkm_text_stream_push(&stream, "ND", 2));
    assert_string_equal(out.text.data, "abEN");
    assert_true(stream.ended);
    check_ok(pkm_text_stream_push(&stream, "more", 4));
    check_ok(pkm_text_stream_finish(&stream));
    assert_string_equal(out.text.data, "abEN");
    pkm_text_stream_release(&stream);
    pkm_strbuf_release(&out.text);
}

static void test_sink_ends(void **state)
{
    shown out = {.end_after = 2};
    pkm_text_stream stream;

    (void)state;
    check_ok(pkm_text_stream_init(&stream, NULL, 0, keep, &out));
    for (int i = 0; i < 5; i++)
        check_ok(pkm_text_stream_push(&stream, "x", 1));
    assert_true(stream.ended);
    assert_string_equal(out.text.data, "xx");
    pkm_text_stream_release(&stream);
    pkm_strbuf_release(&out.text);
}

static void test_empty_stop_string(void **state)
{
    static const char *const stop[] = {"a", ""};
    pkm_text_stream stream;

    (void)state;
    check_fails(pkm_text_stream_init(&stream, stop, 2, keep, NULL), PKM_ERR_ARG, "stop string 1",
                NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_stop_strings),
        cmocka_unit_test(test_holds_no_more_than_needed),
        cmocka_unit_test(test_sink_ends),
        cmocka_unit_test(test_empty_stop_string),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
