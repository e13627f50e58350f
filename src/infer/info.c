/* SPDX-License-Identifier: Apache-2.0 */
/* What this build is and what it chose. Stands in the last layer because it asks all the others. */
#include "pkm/info.h"

#include <jansson.h>
#include <stdio.h>
#include <utf8proc.h>
#include <zlib.h>

#include "base/cpu.h"
#include "base/strbuf.h"
#include "base/system.h"
#include "base/threads.h"
#include "dense/dense.h"
#include "format/json.h"
#include "kernels/kernels.h"

const char *pkm_version(void)
{
    return PKM_VERSION;
}

pkm_status pkm_set_threads(int threads)
{
    return pkm_threads_set(threads);
}

/* The limit that settled the number of threads. */
static const char *reason(const pkm_thread_choice *choice)
{
    if (choice->asked > 0)
        return "asked for";
    if (choice->threads == choice->quota)
        return "the CPU quota of the control group";
    if (choice->threads == choice->cores)
        return "physical cores";
    return "cores this process may run on";
}

static json_t *threads_json(const pkm_thread_choice *choice)
{
    return json_pack("{s:i, s:s, s:s, s:i, s:i, s:i, s:i}", "used", choice->threads, "because",
                     reason(choice), "runtime", pkm_threads_runtime(), "asked", choice->asked,
                     "affinity", choice->affinity, "quota", choice->quota, "cores", choice->cores);
}

/* Per kernel family the variant in use at `level`: the last row of the family that fits. */
static json_t *kernels_json(pkm_isa level)
{
    json_t *object = json_object();
    int n_rows, failed = 0;
    const pkm_kernel_row *row = pkm_kernel_rows(&n_rows);

    for (int i = 0; i < n_rows; i++)
        if (row[i].isa <= level)
            failed |=
                json_object_set_new(object, row[i].family, json_string(pkm_isa_name(row[i].isa)));
    if (!failed)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *libraries_json(void)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "dense", pkm_dense_provider(), "jansson",
                     jansson_version_str(), "utf8proc", utf8proc_version(), "zlib", zlibVersion());
}

pkm_status pkm_info_json(char **out)
{
    const double mib = 1024.0 * 1024.0;
    char cpu[256];
    pkm_isa level;
    pkm_thread_choice choice;
    json_t *info;
    pkm_strbuf text = {0};
    pkm_status status;

    PKM_TRY(pkm_isa_current(&level));
    PKM_TRY(pkm_threads_choice(&choice));
    pkm_cpu_model(cpu, sizeof cpu);
    info =
        json_pack("{s:s, s:s, s:{s:s, s:s}, s:o, s:o, s:{s:f, s:f}, s:o}", "version", pkm_version(),
                  "cpu", cpu, "isa", "detected", pkm_isa_name(pkm_isa_detected()), "used",
                  pkm_isa_name(level), "kernels", kernels_json(level), "threads",
                  threads_json(&choice), "memory_mb", "limit", (double)pkm_memory_limit() / mib,
                  "available", (double)pkm_memory_available() / mib, "libraries", libraries_json());
    if (info == NULL)
        return pkm_json_no_memory();
    status = pkm_json_append(&text, info, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(info);
    if (status != PKM_OK) {
        pkm_strbuf_release(&text);
        return status;
    }
    *out = text.data;
    return PKM_OK;
}
