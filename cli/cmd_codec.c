/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkm tokenizer encode and decode: text to ids separated by blanks, and back. Without --lines the
 * whole input is one document; with it each line is one, its newline not being part of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "input_file.h"

typedef struct codec_options {
    const char *tokenizer;
    bool lines;
} codec_options;

static const pkm_option rows[] = {
    {.name = "tokenizer",
     .type = PKM_OPTION_STRING,
     .offset = offsetof(codec_options, tokenizer),
     .min = 1,
     .unit = "DIR",
     .help = "folder with a tokenizer.json, or that file"},
    {.name = "lines",
     .type = PKM_OPTION_BOOL,
     .offset = offsetof(codec_options, lines),
     .help = "a document per line"},
};

const pkm_option_table cmd_tokenizer_codec_options = CMD_OPTIONS(rows, codec_options);

#define DOCUMENT_BYTES ((size_t)1 << 32) /* at most, without --lines */

/* What both directions work with. */
typedef struct codec {
    const cmd_input *input;
    const char *path; /* NULL: standard input */
    bool lines;
    pkm_tokenizer *tokenizer;
    pkm_encoder *encoder;
    int32_t *ids; /* of decode, grown as needed */
    size_t ids_capacity;
} codec;

/* One document, `line` counted from 1; returns the exit code. */
typedef int (*codec_document)(codec *work, const char *text, size_t bytes, int64_t line);

static int each_line(codec *work, codec_document document)
{
    FILE *file = input_open(work->input, work->path);
    char *text = NULL;
    size_t capacity = 0;
    ssize_t bytes;
    int64_t line = 0;
    int code = CMD_DONE;

    if (file == NULL)
        return CMD_FAILED;
    while (code == CMD_DONE && !ferror(stdout) && (bytes = getline(&text, &capacity, file)) >= 0) {
        if (bytes > 0 && text[bytes - 1] == '\n')
            text[--bytes] = '\0';
        code = document(work, text, (size_t)bytes, ++line);
    }
    if (code == CMD_DONE && ferror(file))
        code =
            cmd_fail(work->input, "%s: cannot read: %s", input_name(work->path), strerror(errno));
    free(text);
    if (file != stdin)
        (void)fclose(file);
    return code;
}

static int whole_input(codec *work, codec_document document)
{
    size_t bytes;
    char *text = input_read(work->input, work->path, DOCUMENT_BYTES, &bytes);
    int code = text == NULL ? CMD_FAILED : document(work, text, bytes, 1);

    free(text);
    return code;
}

static int run(const cmd_input *input, codec_document document)
{
    const codec_options *options = input->options;
    codec work = {
        .input = input,
        .path = input->n_args > 0 ? input->args[0] : NULL,
        .lines = options->lines,
    };
    pkm_status status = pkm_tokenizer_load(&work.tokenizer, options->tokenizer);
    int code;

    if (status == PKM_OK)
        status = pkm_encoder_create(&work.encoder, work.tokenizer);
    if (status != PKM_OK)
        code = cmd_status(input, status);
    else
        code = work.lines ? each_line(&work, document) : whole_input(&work, document);
    free(work.ids);
    pkm_encoder_destroy(work.encoder);
    pkm_tokenizer_destroy(work.tokenizer);
    return code;
}

static int encode_document(codec *work, const char *text, size_t bytes, int64_t line)
{
    const int32_t *ids;
    int64_t n_ids;
    pkm_status status = pkm_encoder_encode(work->encoder, &ids, &n_ids, text, bytes);

    (void)line;
    if (status != PKM_OK)
        return cmd_status(work->input, status);
    for (int64_t i = 0; i < n_ids; i++)
        printf("%s%" PRId32, i > 0 ? " " : "", ids[i]);
    putchar('\n');
    return CMD_DONE;
}

/* Refuses `word`, which stands in a text that begins in line `line`. */
static int refuse_word(const codec *work, const char *text, const char *word, size_t length,
                       int64_t line)
{
    for (const char *c = text; c < word; c++)
        line += *c == '\n';
    return cmd_fail(work->input,
                    "%s: line %" PRId64 ": '%.*s' is not a token id: expected 0 to %lld",
                    input_name(work->path), line, (int)(length < 40 ? length : 40), word,
                    (long long)pkm_tokenizer_vocab_size(work->tokenizer) - 1);
}

/* Reads the ids of text, which begins in line `line`, into work->ids and counts them in *n_ids. */
static int parse_ids(codec *work, const char *text, size_t bytes, int64_t line, int64_t *n_ids)
{
    const char blanks[] = " \t\r\n\v\f";
    const char *word = text, *end = text + bytes;
    const int64_t vocab_size = pkm_tokenizer_vocab_size(work->tokenizer);
    size_t most = bytes / 2 + 1; /* ids are at least a digit and a blank apart */

    if (most > work->ids_capacity) {
        free(work->ids);
        work->ids = calloc(most, sizeof *work->ids);
        work->ids_capacity = work->ids == NULL ? 0 : most;
        if (work->ids == NULL)
            return cmd_no_memory(work->input);
    }
    for (word += strspn(word, blanks); word < end; word += strspn(word, blanks)) {
        size_t length = strcspn(word, blanks);
        char *stop;
        long id;

        errno = 0;
        id = strtol(word, &stop, 10);
        if (length == 0 || stop != word + length || errno != 0 || id < 0 || id >= vocab_size)
            return refuse_word(work, text, word, length, line);
        work->ids[(*n_ids)++] = (int32_t)id;
        word += length;
    }
    return CMD_DONE;
}

static int decode_document(codec *work, const char *text, size_t bytes, int64_t line)
{
    char *out;
    size_t out_bytes;
    int64_t n_ids = 0;
    pkm_status status;
    int code = parse_ids(work, text, bytes, line, &n_ids);

    if (code != CMD_DONE)
        return code;
    status = pkm_tokenizer_decode(work->tokenizer, &out, &out_bytes, work->ids, n_ids);
    if (status != PKM_OK)
        return cmd_status(work->input, status);
    fwrite(out, 1, out_bytes, stdout);
    if (work->lines)
        putchar('\n');
    pkm_text_free(out);
    return CMD_DONE;
}

int cmd_tokenizer_encode(const cmd_input *input)
{
    return run(input, encode_document);
}

int cmd_tokenizer_decode(const cmd_input *input)
{
    return run(input, decode_document);
}
