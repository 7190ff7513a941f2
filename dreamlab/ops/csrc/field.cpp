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

int64_t hidden_floats(int64_t layers, const int* width) {
  int64_t sum = 0;
  for (int64_t l = 1; l < layers; ++l) sum += padded(width[l]);
  return sum * kTile;
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
    mlp.hidden_floats = hidden_floats(layers, width);
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

  Pieces(int64_t n, int64_t least_tiles, int64_t most) : n(n) {
    const int64_t tiles = (n + kTile - 1) / kTile;
    count = pieces(tiles, least_tiles, most);
    size = count ? (tiles + count - 1) / count * kTile : 0;
  }
  int64_t begin(int64_t i) const { return i * size < n ? i * size : n; }
  int64_t end(int64_t i) const { return begin(i + 1); }
};

constexpr int64_t kManyPieces = 1 << 20;
constexpr int64_t kFewTiles = 8;
constexpr int64_t kGradientPieces = 64;  // each carries a private copy of the weights' gradient
constexpr int64_t kPointsAtOnce = 1 << 16;  // where features are not kept

// Level after level: all threads read one level's rows, which stay in cache from point to point.
void encode_all(const Grid& grid, const float* table, const float* x, int64_t n, const Features<float>& out,
                int threads) {
  const Pieces cut(n, kFewTiles * 8, kManyPieces);
  parallel_for(grid.levels * cut.count, threads, [&](int64_t task, int) {
    const int64_t i = task % cut.count;
    kernels().encode(grid, static_cast<int>(task / cut.count), table, x, cut.begin(i), cut.end(i), out);
  });
}

float* encoded_space(int64_t floats) {
  thread_local Buffer buffer;
  thread_local int64_t size = 0;
  if (size < floats) buffer = allocate(size = floats);
  return buffer.get();
}

void mlp_all(const Mlp& mlp, const Features<const float>& input, int levels, int64_t n, float* hidden, float* out,
             int threads) {
  const Pieces cut(n, kFewTiles, kManyPieces);
  parallel_for(cut.count, threads, [&](int64_t i, int) {
    kernels().mlp(mlp, input, levels, cut.begin(i), cut.end(i), hidden, out, work_space());
  });
}

}  // namespace

extern "C" {

void dl_hash_encode(const Grid* grid, const float* table, const float* x, int64_t n, float* out, int threads) {
  const Features<float> rows{out, int64_t{grid->levels} * grid->features, grid->features};
  encode_all(*grid, table, x, n, rows, threads);
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
  const Pieces cut(n, kFewTiles, kManyPieces);
  parallel_for(cut.count, threads, [&](int64_t i, int) {
    kernels().encode_backward_x(*grid, table, x, cut.begin(i), cut.end(i), features, g_x);
  });
}

// Floats that dl_mlp needs to keep the hidden activations of n samples.
int64_t dl_mlp_hidden_floats(int64_t layers, const int* width, int64_t n) {
  return (n + kTile - 1) / kTile * hidden_floats(layers, width);
}

// grid null: a plain MLP on x [n, width[0]]; else x [n, 3] is encoded first. features [levels, n, features] and hidden
// (dl_mlp_hidden_floats) keep what dl_mlp_backward can use; either may be null.
void dl_mlp(const Grid* grid, const float* table, int64_t layers, const int* width, const float* const* weight,
            const float* x, int64_t n, float* features, float* hidden, float* out, int threads) {
  const Weights packed(layers, width, weight);
  if (!grid) return mlp_all(packed.mlp, {x, width[0], 0}, 1, n, hidden, out, threads);
  const int64_t each = grid->features;
  if (features) {
    encode_all(*grid, table, x, n, {features, each, n * each}, threads);
    return mlp_all(packed.mlp, {features, each, n * each}, grid->levels, n, hidden, out, threads);
  }
  for (int64_t begin = 0; begin < n; begin += kPointsAtOnce) {
    const int64_t count = n - begin < kPointsAtOnce ? n - begin : kPointsAtOnce;
    float* space = encoded_space(count * width[0]);
    encode_all(*grid, table, x + begin * 3, count, {space, each, count * each}, threads);
    mlp_all(packed.mlp, {space, each, count * each}, grid->levels, count, nullptr, out + begin * width[layers],
            threads);
  }
}

// input [n, width[0]], or with a grid [levels, n, features]; g_input, which may be null, likewise. hidden is what dl_mlp
// kept, or null. gradient [n, last width]; g_weight[l] is [out, in].
void dl_mlp_backward(const Grid* grid, int64_t layers, const int* width, const float* const* weight, const float* input,
                     float* hidden, const float* gradient, int64_t n, float* const* g_weight, float* g_input,
                     int threads) {
  const Weights packed(layers, width, weight);
  const Pieces cut(n, kFewTiles, kGradientPieces);
  const Buffer partial = allocate(cut.count * packed.gradient_floats + 1);
  const int64_t row = grid ? grid->features : width[0], level = grid ? n * grid->features : 0;
  const Features<const float> from{input, row, level};
  const Features<float> to{g_input, row, level};
  parallel_for(cut.count, threads, [&](int64_t i, int) {
    float* mine = partial.get() + i * packed.gradient_floats;
    std::memset(mine, 0, sizeof(float) * static_cast<size_t>(packed.gradient_floats));
    kernels().mlp_backward(packed.mlp, from, grid ? grid->levels : 1, hidden, gradient, cut.begin(i), cut.end(i), mine,
                           to, work_space());
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
