/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of a list of names. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "options/set.h"

enum { MAX_LETTERS = 63, MAX_NAMES = 256 };

static bool same(char a, char b)
{
    return a == b || (a == '-' && b == '_') || (a == '_' && b == '-');
}

static int min_int(int a, int b)
{
    return a < b ? a : b;
}

/* Optimal string alignment: inserted, dropped, changed and swapped letters cost one each. */
static int distance(const char *a, int a_length, const char *b, int b_length)
{
    int rows[3][MAX_LETTERS + 1]; /* of prefixes of a: two before, one before, this one */
    int *before = rows[0], *last = rows[1], *now = rows[2];

    for (int j = 0; j <= b_length; j++)
        last[j] = j;
    for (int i = 1; i <= a_length; i++) {
        int *oldest = before;

        now[0] = i;
        for (int j = 1; j <= b_length; j++) {
            now[j] = last[j - 1] + !same(a[i - 1], b[j - 1]);
            now[j] = min_int(now[j], min_int(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
                now[j] = min_int(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = oldest;
    }
    return last[b_length];
}

const char *pkm_suggest(const char *word, const char *const *names, int n_names)
{
    int length = pkm_size_int(strlen(word));
    int nearest = length < 4 ? 2 : length / 3 + 2; /* one more than the errors forgiven */
    const char *best = NULL;

    if (length > MAX_LETTERS)
        return NULL;
    for (int i = 0; i < n_names; i++) {
        int name_length = pkm_size_int(strlen(names[i]));
        int errors =
            name_length > MAX_LETTERS ? nearest : distance(word, length, names[i], name_length);

        if (errors < nearest) {
            nearest = errors;
            best = names[i];
        }
    }
    return best;
}

/* name with hyphens, as on the command line, when there is a prefix such as "--". */
static void spell(char *out, size_t bytes, const char *prefix, const char *name)
{
    snprintf(out, bytes, "%s%s", prefix, name);
    for (char *c = out; prefix[0] != '\0' && *c != '\0'; c++)
        if (*c == '_')
            *c = '-';
}

pkm_status pkm_option_unknown(pkm_status status, const pkm_option_table *const *tables, int n,
                              const char *typed, const char *prefix)
{
    const char *names[MAX_NAMES];
    char spelled[2 * MAX_LETTERS];
    const char *nearest;
    int n_names = 0;

    for (int t = 0; t < n; t++)
        for (int i = 0; i < tables[t]->count && n_names < MAX_NAMES; i++)
            names[n_names++] = tables[t]->rows[i].name;
    nearest = pkm_suggest(typed, names, n_names);
    if (nearest == NULL)
        return pkm_fail(status, "unknown option %s%.100s", prefix, typed);
    spell(spelled, sizeof spelled, prefix, nearest);
    return pkm_fail(status, "unknown option %s%.100s: did you mean %s?", prefix, typed, spelled);
}
