// The kernels for whatever every machine has: 16-byte vectors. The build gives this file its own -m flags: it must not pull in
// templates or inline functions that others share, or the linker might keep this instruction set's copy for all.
#include "kernels.h"
#include "simd.h"

#include "encode.inl"
#include "mlp.inl"
#include "rays.inl"
#include "winograd.inl"

#include "convolution.inl"

const Kernels kBaseKernels = {
    "base",       encode, encode_backward_table, encode_backward_x, mlp_forward,
    mlp_backward, march,  composite,             composite_backward,
    input_tiles, gradient_tiles, transform_weights, convolve_tiles,
    weight_products, bias_gradient, weight_gradient,
};
