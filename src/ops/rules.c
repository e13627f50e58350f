/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/rules.h"

#include "base/dtype.h"

pkm_status pkm_rule_counts(const pkm_node *node, int n_in, int min_param, int max_param)
{
    if (node->n_in != n_in)
        return pkm_fail(PKM_ERR_ARG, "wants %d inputs, has %d", n_in, node->n_in);
    if (node->n_param < min_param || node->n_param > max_param)
        return pkm_fail(PKM_ERR_ARG, "wants %d to %d parameters, has %d", min_param, max_param,
                        node->n_param);
    return PKM_OK;
}

pkm_status pkm_rule_input(const pkm_node *node, int i, pkm_dtype dtype, int64_t width)
{
    const pkm_tensor *in = node->in[i];

    if (in->dtype != dtype)
        return pkm_fail(PKM_ERR_SHAPE, "input '%s' is %s, expected %s", in->name,
                        pkm_dtype_name(in->dtype), pkm_dtype_name(dtype));
    if (pkm_tensor_width(in) != width)
        return pkm_fail(PKM_ERR_SHAPE, "input '%s' has width %lld, expected %lld", in->name,
                        (long long)pkm_tensor_width(in), (long long)width);
    return PKM_OK;
}

pkm_status pkm_rule_float(const pkm_node *node, int i)
{
    const pkm_tensor *in = node->in[i];

    if (in->dtype != PKM_F32 && in->dtype != PKM_BF16)
        return pkm_fail(PKM_ERR_SHAPE, "input '%s' is %s, expected f32 or bf16", in->name,
                        pkm_dtype_name(in->dtype));
    return PKM_OK;
}

static pkm_status param_axis(const pkm_param_spec *spec, int axis, int64_t expected)
{
    if (expected >= 0 && spec->dims[axis] != expected)
        return pkm_fail(PKM_ERR_SHAPE, "parameter '%s': axis %d is %lld, expected %lld", spec->name,
                        axis, (long long)spec->dims[axis], (long long)expected);
    return PKM_OK;
}

pkm_status pkm_rule_param(const pkm_node *node, int i, int64_t dim0, int64_t dim1)
{
    const pkm_param_spec *spec = &node->param[i]->spec;
    int n_dims = dim1 == 0 ? 1 : 2;

    if (spec->n_dims != n_dims)
        return pkm_fail(PKM_ERR_SHAPE, "parameter '%s' has %d axes, expected %d", spec->name,
                        spec->n_dims, n_dims);
    PKM_TRY(param_axis(spec, 0, dim0));
    return n_dims == 1 ? PKM_OK : param_axis(spec, 1, dim1);
}

pkm_status pkm_rule_dropout(float probability)
{
    if (!(probability >= 0 && probability < 1))
        return pkm_fail(PKM_ERR_ARG, "dropout is %g, must be in [0, 1)", (double)probability);
    return PKM_OK;
}

void pkm_rule_output(pkm_node *node, pkm_dtype dtype, int64_t width)
{
    node->out->dtype = dtype;
    node->out->n_dims = width > 0 ? 1 : 0;
    node->out->dims[0] = width;
}

pkm_status pkm_rule_indices(const pkm_tensor *values, int64_t n_rows, int64_t low, int64_t high)
{
    const int32_t *index = values->data;

    for (int64_t row = 0; row < n_rows; row++)
        if (index[row] < low || index[row] >= high)
            return pkm_fail(PKM_ERR_ARG, "'%s' is %d at row %lld, must be in [%lld, %lld)",
                            values->name, index[row], (long long)row, (long long)low,
                            (long long)high);
    return PKM_OK;
}
