#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# scripts/check-arithmetic finds each line planted here that ends in BAD, and no other.
set -euo pipefail
source "$(dirname "$0")/common.sh"

cat >"$work/planted.c" <<'EOF'
size_t name_bytes(size_t rows, size_t width)
{
    return rows * width; // BAD
}

size_t safe_bytes(const size_t *sizes, int i)
{
    return pkm_size_product(sizes[i + 1], 2 * sizeof(float));
}

size_t other(size_t rows, size_t width)
{
    return rows * width;
}

pkm_status take(size_t n, size_t m)
{
    /* pkm_alloc(&p, n * m, "") */
    pkm_alloc(&p, n * m, "a * b"); // BAD
    pkm_alloc(&p, n, "a * b");
    pkm_alloc(&p, (size_t)*q, *name);
    pkm_alloc_array((void **)&p, n + 1, // BAD
                    sizeof *p, "a list");
    if (pkm_alloc_grow(&p, 0, first,
                       n << 2, 1, what)) // BAD
        call(n * m);
    q = pkm_arena_take(arena, pkm_size_product(n, m), 4), total = n * m;
    pkm_pages_alloc(&p, f(n) + g(m), what); // BAD
    p = malloc(n * sizeof *p); // BAD
    i = (int)strlen(text); // BAD
    j = (int32_t)json_integer_value(id); // BAD
    k = (uint32_t)reader->n_bytes; // BAD
    k = (uint32_t)reader->n_bytes; /* <= 512 */
    l = (int)(hash >> 32) + (int)count_of(x);
}
EOF
grep -n 'BAD$' "$work/planted.c" | cut -d: -f1 >"$work/wanted"
"$PKM_SOURCE_DIR/scripts/check-arithmetic" "$work/planted.c" >"$work/report" && fail 'nothing found'
sed -E 's/^[^:]*:([0-9]+):.*/\1/' "$work/report" | sort -nu >"$work/found"
diff "$work/wanted" "$work/found" >"$work/diff" ||
    fail $'lines planted (<) and found (>) differ:\n'"$(cat "$work/diff")"
