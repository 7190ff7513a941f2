// C interface of the hash encoding and the MLP: cuts the work into tasks and sums partial gradients in a fixed order.

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "kernels.h"
#include "parallel.h"

namespace {

struct Free {
  void operator()(float* p) const { std::free(p); }
};
using Buffer = std::unique_ptr<float, Free>;

Buffer allocate(int64_t floats) {
  void* p = nullptr;
  return Buffer(posix_memalign(&p, 64, sizeof(float) * static_cast<size_t>(floats)) == 0 ? static_cast<float*>(p) : nullptr);
}

// One work space a thread, kept: fresh pages would cost more than the arithmetic on them.
float* work_space() {
  thread_local Buffer buffer = allocate(kWorkFloats);
  return buffer.get();
}

// The weights padded to whole vectors, both ways round.
struct Weights {
  Mlp mlp{};
  Buffer memory;
  int64_t gradient_floats = 0;

  Weights(int64_t layers, const int* width, const float* const* weight) {
    mlp.layers = static_cast<int>(layers);
    std::memcpy(mlp.width, width, sizeof(int) * static_cast<size_t>(layers + 1));
    int64_t floats = 0;
    for (int l = 0; l < layers; ++l) {
      mlp.gradient_offset[l] = gradient_floats;
      gradient_floats += int64_t{padded(width[l])} * padded(width[l + 1]);
    }
    floats = 2 * gradient_floats;
    memory = allocate(floats);
    std::memset(memory.get(), 0, sizeof(float) * static_cast<size_t>(floats));
    for (int l = 0; l < layers; ++l) {
      const int in = width[l], out = width[l + 1];
      float* plain = memory.get() + mlp.gradient_offset[l];
      float* turned = plain + gradient_floats;
      for (int o = 0; o < out; ++o)
        for (int i = 0; i < in; ++i) plain[o * padded(in) + i] = turned[i * padded(out) + o] = weight[l][o * in + i];
      mlp.weight[l] = plain;
      mlp.transposed[l] = turned;
    }
  }
};

struct Pieces {
  int64_t count, size, n;

  Pieces(int64_t n, int64_t most) : n(n) {
    const int64_t tiles = (n + kTile - 1) / kTile;
    count = pieces(tiles, 8, most);
    size = count ? (tiles + count - 1) / count * kTile : 0;
  }
  int64_t begin(int64_t i) const { return i * size < n ? i * size : n; }
  int64_t end(int64_t i) const { return begin(i + 1); }
};

constexpr int64_t kManyPieces = 1 << 20;
constexpr int64_t kGradientPieces = 64;  // each carries a private copy of the weights' gradient

}  // namespace

extern "C" {

void dl_hash_encode(const Grid* grid, const float* table, const float* x, int64_t n, float* out, int threads) {
  const Pieces cut(n, kManyPieces);
  parallel_for(cut.count, threads, [&](int64_t i, int) {
    kernels().encode(*grid, table, x, cut.begin(i), cut.end(i), out);
  });
}

// g_table (zeroed by the caller) and g_x may be null. The gradient's strides are in floats.
void dl_hash_encode_backward(const Grid* grid, const float* table, const float* x, int64_t n, const float* gradient,
                             int64_t row, int64_t level, float* g_table, float* g_x, int threads) {
  const Features<const float> features{gradient, row, level};
  if (g_table)
    parallel_for(grid->levels, threads, [&](int64_t l, int) {
      kernels().encode_backward_table(*grid, static_cast<int>(l), x, n, features, g_table);
    });
  if (!g_x) return;
  const Pieces cut(n, kManyPieces);
  parallel_for(cut.count, threads, [&](int64_t i, int) {
    kernels().encode_backward_x(*grid, table, x, cut.begin(i), cut.end(i), features, g_x);
  });
}

// grid null: a plain MLP on x [n, width[0]]; else x [n, 3] is encoded first, and kept in `features` if that is given.
void dl_mlp(const Grid* grid, const float* table, int64_t layers, const int* width,
            const float* const* weight, const float* x, int64_t n, float* features, float* out, int threads) {
  const Weights packed(layers, width, weight);
  const Pieces cut(n, kManyPieces);
  parallel_for(cut.count, threads, [&](int64_t i, int) {
    kernels().mlp(grid, table, packed.mlp, x, cut.begin(i), cut.end(i), features, out, work_space());
  });
}

// input [n, width[0]], gradient [n, last width]; g_weight[l] is [out, in]; g_input may be null and is
// [n, width[0]], or with a grid [levels, n, features].
void dl_mlp_backward(const Grid* grid, int64_t layers, const int* width, const float* const* weight, const float* input,
                     const float* gradient, int64_t n, float* const* g_weight, float* g_input, int threads) {
  const Weights packed(layers, width, weight);
  const Pieces cut(n, kGradientPieces);
  const Buffer partial = allocate(cut.count * packed.gradient_floats + 1);
  const Features<float> out = grid ? Features<float>{g_input, grid->features, n * grid->features}
                                   : Features<float>{g_input, width[0], 0};
  parallel_for(cut.count, threads, [&](int64_t i, int) {
    float* mine = partial.get() + i * packed.gradient_floats;
    std::memset(mine, 0, sizeof(float) * static_cast<size_t>(packed.gradient_floats));
    kernels().mlp_backward(grid, packed.mlp, input, gradient, cut.begin(i), cut.end(i), mine, out, work_space());
  });
  for (int l = 0; l < layers; ++l) {
    const int in = width[l], rows = width[l + 1], wide = padded(in);
    std::memset(g_weight[l], 0, sizeof(float) * static_cast<size_t>(rows) * static_cast<size_t>(in));
    for (int64_t i = 0; i < cut.count; ++i) {
      const float* from = partial.get() + i * packed.gradient_floats + packed.mlp.gradient_offset[l];
      for (int o = 0; o < rows; ++o)
        for (int k = 0; k < in; ++k) g_weight[l][o * in + k] += from[o * wide + k];
    }
  }
}

}  // extern "C"
