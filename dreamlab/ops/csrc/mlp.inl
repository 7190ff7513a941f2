// Small multilayer perceptrons on tiles of kTile samples: activations row-major, neurons in the vector lanes.

namespace {

#if defined(__AVX512F__)
constexpr int kRows = 6, kColumns = 4;  // registers of a block: 24 sums, 4 of b, 1 broadcast
#elif defined(__AVX2__)
constexpr int kRows = 6, kColumns = 2;
#elif defined(__ARM_NEON)
constexpr int kRows = 6, kColumns = 4;
#else
constexpr int kRows = 4, kColumns = 2;
#endif

enum class After { nothing, relu, add };

// c[r][:] = sum_k a(r, k) * b[k][:] on a block of R rows and C vectors; a(r, k) = a[k * lda + r] if Transposed.
template <int R, int C, bool Transposed, After after>
DREAMLAB_INLINE void block(const float* a, int lda, const float* b, int ldb, int depth, float* c, int ldc,
                           const float* mask) {
  Vec sum[R][C];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) sum[r][v] = Vec{};
#pragma GCC unroll 2
  for (int k = 0; k < depth; ++k) {
    Vec row[C];
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) row[v] = load(b + static_cast<int64_t>(k) * ldb + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vec s = splat(Transposed ? a[static_cast<int64_t>(k) * lda + r] : a[static_cast<int64_t>(r) * lda + k]);
#pragma GCC unroll 4
      for (int v = 0; v < C; ++v) sum[r][v] = fma(s, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < C; ++v) {
      const int64_t at = static_cast<int64_t>(r) * ldc + v * kLanes;
      Vec x = sum[r][v];
      if (after == After::relu) x = relu(x);
      if (after == After::add) x += load(c + at);
      if (mask) x = load(mask + at) > 0.0f ? x : Vec{};
      store(c + at, x);
    }
}

template <int C, bool Transposed, After after>
DREAMLAB_INLINE void rows(int n, const float* a, int lda, const float* b, int ldb, int depth, float* c, int ldc,
                          const float* mask) {
  // Enough sums at once to hide the latency of an fma; n is a multiple of R.
  constexpr int R = Transposed ? (C <= 2 ? 16 / C : 4) : (C * 2 <= kColumns ? 2 * kRows : kRows);
  for (int r = 0; r < n; r += R)
    block<R, C, Transposed, after>(a + (Transposed ? r : static_cast<int64_t>(r) * lda), lda, b, ldb, depth,
                                   c + static_cast<int64_t>(r) * ldc, ldc,
                                   mask ? mask + static_cast<int64_t>(r) * ldc : nullptr);
}

// c [n][columns] of n rows; columns a multiple of kPad. mask: keep c only where mask > 0 (the gradient of ReLU).
template <bool Transposed, After after>
void product(int n, int columns, int depth, const float* a, int lda, const float* b, int ldb, float* c, int ldc,
             const float* mask = nullptr) {
  int done = 0;
  for (; columns - done >= kColumns * kLanes; done += kColumns * kLanes)
    rows<kColumns, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, mask ? mask + done : nullptr);
  const int left = (columns - done) / kLanes;
  const float* m = mask ? mask + done : nullptr;
  if (kColumns > 3 && left == 3) rows<3, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, m);
  if (kColumns > 2 && left == 2) rows<2, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, m);
  if (kColumns > 1 && left == 1) rows<1, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, m);
}

// Layers from work[0], the input tile, to work[layers]; tile l has rows of padded(width[l]) floats.
void forward_tile(const Mlp& mlp, float* work, int layers) {
  for (int l = 0; l < layers; ++l) {
    const int in = padded(mlp.width[l]), out = padded(mlp.width[l + 1]);
    const float* a = work + l * kTileFloats;
    float* c = work + (l + 1) * kTileFloats;
    if (l + 1 < mlp.layers)
      product<false, After::relu>(kTile, out, mlp.width[l], a, in, mlp.transposed[l], out, c, out);
    else
      product<false, After::nothing>(kTile, out, mlp.width[l], a, in, mlp.transposed[l], out, c, out);
  }
}

// n rows of `width` floats into a tile whose other entries are zero.
void load_tile(const float* from, int64_t n, int width, float* tile) {
  const int wide = padded(width);
  if (width != wide || n < kTile) std::memset(tile, 0, sizeof(float) * kTile * wide);
  for (int64_t s = 0; s < n; ++s) std::memcpy(tile + s * wide, from + s * width, sizeof(float) * width);
}

void mlp_forward(const Grid* grid, const float* table, const Mlp& mlp, const float* x, int64_t begin, int64_t end,
                 float* features, float* out, float* work) {
  const int in = mlp.width[0], last = mlp.width[mlp.layers];
  for (int64_t at = begin; at < end; at += kTile) {
    const int64_t n = end - at < kTile ? end - at : kTile;
    if (grid) {
      if (in != padded(in) || n < kTile) std::memset(work, 0, sizeof(float) * kTile * padded(in));
      encode_rows(*grid, table, x + at * 3, n, work, padded(in));
      if (features)
        for (int64_t s = 0; s < n; ++s)
          std::memcpy(features + (at + s) * in, work + s * padded(in), sizeof(float) * in);
    } else {
      load_tile(x + at * in, n, in, work);
    }
    forward_tile(mlp, work, mlp.layers);
    const float* result = work + mlp.layers * kTileFloats;
    for (int64_t s = 0; s < n; ++s)
      std::memcpy(out + (at + s) * last, result + s * padded(last), sizeof(float) * last);
  }
}

// Hidden activations are computed again from the input: cheaper than fetching them from memory, and they need none.
void mlp_backward(const Grid* grid, const Mlp& mlp, const float* input, const float* gradient, int64_t begin,
                  int64_t end, float* partial, Features<float> input_gradient, float* work) {
  const int in = mlp.width[0], last = mlp.width[mlp.layers];
  float* g = work + (kMaxLayers + 1) * kTileFloats;
  float* next = g + kTileFloats;
  for (int64_t at = begin; at < end; at += kTile) {
    const int64_t n = end - at < kTile ? end - at : kTile;
    load_tile(input + at * in, n, in, work);
    forward_tile(mlp, work, mlp.layers - 1);
    load_tile(gradient + at * last, n, last, g);
    for (int l = mlp.layers - 1; l >= 0; --l) {
      const int wide_in = padded(mlp.width[l]), wide_out = padded(mlp.width[l + 1]);
      const float* a = work + l * kTileFloats;
      product<true, After::add>(wide_in % (kColumns * kLanes) ? wide_out : (mlp.width[l + 1] + 3) / 4 * 4, wide_in, kTile, g, wide_out, a, wide_in,
                                partial + mlp.gradient_offset[l], wide_in);
      if (l == 0 && !input_gradient.data) break;
      product<false, After::nothing>(kTile, wide_in, mlp.width[l + 1], g, wide_out, mlp.weight[l], wide_in, next,
                                     wide_in, l > 0 ? a : nullptr);
      float* spent = g;
      g = next;
      next = spent;
    }
    if (!input_gradient.data) continue;
    const int wide = padded(in), levels = grid ? grid->levels : 1, per_level = in / levels;
    for (int64_t s = 0; s < n; ++s)
      for (int l = 0; l < levels; ++l)
        std::memcpy(input_gradient.data + (at + s) * input_gradient.row + l * input_gradient.level,
                    g + s * wide + l * per_level, sizeof(float) * per_level);
  }
}

}  // namespace
