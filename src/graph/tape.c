/* SPDX-License-Identifier: Apache-2.0 */
/* Building a tape: its inputs and nodes, each checked by the operation's shape rule when added. */
#include "graph/tape.h"

#include <string.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "graph/tape_private.h"

pkm_status pkm_tape_create(pkm_tape **out, pkm_mode mode)
{
    pkm_tape *tape;

    PKM_TRY(pkm_alloc_array((void **)&tape, 1, sizeof *tape, "a tape"));
    tape->mode = mode;
    *out = tape;
    return PKM_OK;
}

static void entry_destroy(pkm_tape_entry *entry)
{
    if (entry != NULL)
        pkm_free(entry->name);
    pkm_free(entry);
}

static void node_destroy(pkm_node *node)
{
    if (node == NULL)
        return;
    if (node->op->release != NULL)
        node->op->release(node);
    pkm_free((void *)node->attr);
    pkm_free(node);
}

void pkm_tape_destroy(pkm_tape *tape)
{
    if (tape == NULL)
        return;
    for (int i = 0; i < tape->n_nodes; i++)
        node_destroy(tape->nodes[i]);
    for (int i = 0; i < tape->n_entries; i++)
        entry_destroy(tape->entries[i]);
    pkm_pages_free(tape->arena, tape->arena_bytes);
    pkm_free(tape->nodes);
    pkm_free(tape->entries);
    pkm_free(tape);
}

/* Makes room for one more pointer in a list. */
static pkm_status list_reserve(void **list, int count, int *capacity)
{
    int larger = *capacity > 0 ? 2 * *capacity : 32;

    if (count < *capacity)
        return PKM_OK;
    PKM_TRY(pkm_alloc_grow(list, (size_t)count, (size_t)larger, sizeof(void *), "a tape's list"));
    *capacity = larger;
    return PKM_OK;
}

/* Appends a tensor of unset shape; `name` is copied and must be new. */
static pkm_status entry_add(pkm_tape *tape, pkm_tape_entry **out, const char *name, int producer)
{
    pkm_tape_entry *entry;
    pkm_status status;

    if (tape->planned)
        return pkm_fail(PKM_ERR_STATE, "tensor '%s': the tape is planned already", name);
    if (pkm_tape_find(tape, name) != NULL)
        return pkm_fail(PKM_ERR_ARG, "the tape has a tensor '%s' already", name);
    PKM_TRY(list_reserve((void **)&tape->entries, tape->n_entries, &tape->entries_capacity));
    PKM_TRY(pkm_alloc_array((void **)&entry, 1, sizeof *entry, name));
    status = pkm_string_copy(&entry->name, name);
    if (status != PKM_OK) {
        entry_destroy(entry);
        return status;
    }
    entry->tensor.name = entry->name;
    entry->tensor.index = tape->n_entries;
    entry->producer = producer;
    tape->entries[tape->n_entries++] = entry;
    *out = entry;
    return PKM_OK;
}

/* Takes back the tensors of a node that could not be added. */
static void entries_drop(pkm_tape *tape, int n_kept)
{
    while (tape->n_entries > n_kept)
        entry_destroy(tape->entries[--tape->n_entries]);
}

static pkm_status check_dims(const char *name, int n_dims, const int64_t *dims)
{
    if (n_dims < 0 || n_dims > PKM_TENSOR_DIMS)
        return pkm_fail(PKM_ERR_SHAPE, "tensor '%s' has %d axes after the rows, at most %d", name,
                        n_dims, PKM_TENSOR_DIMS);
    for (int i = 0; i < n_dims; i++)
        if (dims[i] < 1)
            return pkm_fail(PKM_ERR_SHAPE, "tensor '%s': axis %d is %lld, must be positive", name,
                            i + 1, (long long)dims[i]);
    return PKM_OK;
}

pkm_status pkm_tape_input(pkm_tape *tape, pkm_tensor **out, const char *name, pkm_dtype dtype,
                          int n_dims, const int64_t *dims)
{
    pkm_tape_entry *entry;

    PKM_TRY(check_dims(name, n_dims, dims));
    PKM_TRY(entry_add(tape, &entry, name, -1));
    entry->tensor.dtype = dtype;
    entry->tensor.n_dims = n_dims;
    if (n_dims > 0)
        memcpy(entry->tensor.dims, dims, (size_t)n_dims * sizeof *dims);
    *out = &entry->tensor;
    return PKM_OK;
}

pkm_status pkm_node_save(pkm_node *node, const char *suffix, pkm_dtype dtype, int64_t width)
{
    pkm_strbuf name = {0};
    pkm_tape_entry *entry;
    pkm_status status;

    if (node->n_saved == PKM_NODE_SAVED)
        return pkm_fail(PKM_ERR_INTERNAL, "node '%s' saves more than %d tensors", node->name,
                        PKM_NODE_SAVED);
    PKM_TRY(check_dims(suffix, 1, &width));
    status = pkm_strbuf_printf(&name, "%s.%s", node->name, suffix);
    if (status == PKM_OK)
        status = entry_add(node->tape, &entry, name.data, node->tape->n_nodes);
    pkm_strbuf_release(&name);
    PKM_TRY(status);
    entry->is_saved = true;
    entry->tensor.dtype = dtype;
    entry->tensor.n_dims = 1;
    entry->tensor.dims[0] = width;
    node->saved[node->n_saved++] = &entry->tensor;
    return PKM_OK;
}

/* Copies inputs, parameters and attributes of the spec into the node. */
static pkm_status node_fill(pkm_node *node, const pkm_node_spec *spec)
{
    pkm_tape *tape = node->tape;

    for (; node->n_in < PKM_NODE_INPUTS && spec->in[node->n_in] != NULL; node->n_in++) {
        pkm_tensor *in = spec->in[node->n_in];

        if (in->index >= tape->n_entries || &tape->entries[in->index]->tensor != in)
            return pkm_fail(PKM_ERR_ARG, "node '%s': input '%s' is of another tape", spec->name,
                            in->name);
        node->in[node->n_in] = in;
    }
    for (; node->n_param < PKM_NODE_PARAMS && spec->param[node->n_param] != NULL; node->n_param++)
        node->param[node->n_param] = spec->param[node->n_param];
    if (spec->attr_bytes > 0) {
        void *attr;

        PKM_TRY(pkm_alloc(&attr, spec->attr_bytes, spec->name));
        memcpy(attr, spec->attr, spec->attr_bytes);
        node->attr = attr;
    }
    return PKM_OK;
}

/* Everything of pkm_tape_add that may fail half-way. */
static pkm_status node_build(pkm_node *node, const pkm_node_spec *spec)
{
    pkm_tape *tape = node->tape;
    pkm_tape_entry *entry;
    pkm_status status;

    PKM_TRY(entry_add(tape, &entry, spec->name, tape->n_nodes));
    node->name = entry->name;
    node->out = &entry->tensor;
    PKM_TRY(node_fill(node, spec));
    status = spec->op->shape(node);
    if (status != PKM_OK) {
        pkm_error_prefix("node '%s' (%s)", spec->name, spec->op->name);
        return status;
    }
    PKM_TRY(check_dims(spec->name, node->out->n_dims, node->out->dims));
    return list_reserve((void **)&tape->nodes, tape->n_nodes, &tape->nodes_capacity);
}

pkm_status pkm_tape_add(pkm_tape *tape, pkm_tensor **out, const pkm_node_spec *spec)
{
    int n_entries = tape->n_entries;
    pkm_node *node;
    pkm_status status;

    PKM_TRY(pkm_alloc_array((void **)&node, 1, sizeof *node, spec->name));
    node->op = spec->op;
    node->tape = tape;
    node->mode = tape->mode;
    status = node_build(node, spec);
    if (status != PKM_OK) {
        entries_drop(tape, n_entries);
        node_destroy(node);
        return status;
    }
    tape->nodes[tape->n_nodes++] = node;
    *out = node->out;
    return PKM_OK;
}

void pkm_tape_want_input_grad(pkm_tape *tape, pkm_tensor *input)
{
    pkm_tape_entry_of(tape, input)->want_grad = true;
}

void pkm_tape_stop_grad(pkm_tape *tape, pkm_tensor *tensor)
{
    pkm_tape_entry_of(tape, tensor)->stops = true;
}

void pkm_tape_keep(pkm_tape *tape, pkm_tensor *tensor)
{
    (void)tape;
    tensor->keep = true;
}

pkm_tensor *pkm_tape_find(const pkm_tape *tape, const char *name)
{
    for (int i = 0; i < tape->n_entries; i++)
        if (strcmp(tape->entries[i]->name, name) == 0)
            return &tape->entries[i]->tensor;
    return NULL;
}

int pkm_tape_n_nodes(const pkm_tape *tape)
{
    return tape->n_nodes;
}

const pkm_node *pkm_tape_node(const pkm_tape *tape, int index)
{
    return tape->nodes[index];
}
