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
constexpr bool kManyRegisters = kColumns == 4;  // 32 of them, not 16

enum class After { nothing, relu, add };

// Memory of the next tile, asked for a little at a time while this one is computed: all at once would hold up the loads
// that the arithmetic waits for. Asking beyond the end of an array does no harm.
struct Ahead {
  const float* next = nullptr;
  const float* end = nullptr;

  template <bool Write>
  DREAMLAB_INLINE void ask(int lines) {
    for (int i = 0; i < lines && next < end; ++i, next += 16) __builtin_prefetch(next, Write, 2);
  }
};

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

template <int N>
struct Count {
  static constexpr int value = N;
};

template <int C, bool Transposed, After after>
DREAMLAB_INLINE void rows(int n, const float* a, int lda, const float* b, int ldb, int depth, float* c, int ldc,
                          const float* mask, Ahead& ahead) {
  // Enough sums at once to hide the latency of an fma, no more than there are registers; n is a multiple of R, or of 4.
  constexpr int R = !Transposed ? (C * 2 <= kColumns ? 2 * kRows : kRows) : !kManyRegisters ? 6 : C <= 2 ? 16 / C : 4;
  const auto at = [&](auto count, int r) {
    constexpr int kCount = decltype(count)::value;
    ahead.ask<after == After::relu>(after == After::relu ? 8 : 3);
    block<kCount, C, Transposed, after>(a + (Transposed ? r : static_cast<int64_t>(r) * lda), lda, b, ldb, depth,
                                        c + static_cast<int64_t>(r) * ldc, ldc,
                                        mask ? mask + static_cast<int64_t>(r) * ldc : nullptr);
  };
  // What is no multiple of six ends in fours.
  const int rest = Transposed && !kManyRegisters ? n % 6 : 0, fours = rest == 4 ? 1 : rest;
  int r = 0;
  for (; r < n - 4 * fours; r += R) at(Count<R>{}, r);
  if (Transposed && !kManyRegisters)
    for (; r < n; r += 4) at(Count<4>{}, r);
}

// c [n][columns] of n rows; columns a multiple of kPad. mask: keep c only where mask > 0 (the gradient of ReLU).
template <bool Transposed, After after>
void product(int n, int columns, int depth, const float* a, int lda, const float* b, int ldb, float* c, int ldc,
             Ahead& ahead, const float* mask = nullptr) {
  int done = 0;
  for (; columns - done >= kColumns * kLanes; done += kColumns * kLanes)
    rows<kColumns, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, mask ? mask + done : nullptr,
                                         ahead);
  const int left = (columns - done) / kLanes;
  const float* m = mask ? mask + done : nullptr;
  if (kColumns > 3 && left == 3) rows<3, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, m, ahead);
  if (kColumns > 2 && left == 2) rows<2, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, m, ahead);
  if (kColumns > 1 && left == 1) rows<1, Transposed, after>(n, a, lda, b + done, ldb, depth, c + done, ldc, m, ahead);
}

// Where the activations of a tile are: layer l has rows of padded(width[l]) floats. Hidden ones are in the work space,
// or in what is kept from the forward pass for the backward pass.
struct Activations {
  float* layer[kMaxLayers + 1];

  Activations(const Mlp& mlp, int64_t tile, float* hidden, float* work) {
    float* kept = hidden ? hidden + tile * mlp.hidden_floats : nullptr;
    for (int l = 0; l <= mlp.layers; ++l) {
      const bool is_hidden = l > 0 && l < mlp.layers;
      layer[l] = kept && is_hidden ? kept : work + l * kTileFloats;
      if (kept && is_hidden) kept += kTile * padded(mlp.width[l]);
    }
  }

  // What is kept of the next tile.
  Ahead next(const Mlp& mlp, const float* hidden) const {
    if (!hidden || mlp.layers < 2) return {};
    return {layer[1] + mlp.hidden_floats, layer[1] + 2 * mlp.hidden_floats};
  }
};

void forward_tile(const Mlp& mlp, const Activations& at, int layers, Ahead& ahead) {
  for (int l = 0; l < layers; ++l) {
    const int in = padded(mlp.width[l]), out = padded(mlp.width[l + 1]);
    const float* a = at.layer[l];
    float* c = at.layer[l + 1];
    if (l + 1 < mlp.layers)
      product<false, After::relu>(kTile, out, mlp.width[l], a, in, mlp.transposed[l], out, c, out, ahead);
    else  // no more columns than are asked for, to the next whole vector
      product<false, After::nothing>(kTile, (mlp.width[l + 1] + kLanes - 1) / kLanes * kLanes, mlp.width[l], a, in,
                                     mlp.transposed[l], out, c, out, ahead);
  }
}

// n rows of F floats (F = 0: of `width`), each `stride` or `to_stride` from the next.
template <int F>
DREAMLAB_INLINE void copy_rows(const float* from, int64_t stride, float* to, int64_t to_stride, int64_t n, int width) {
  for (int64_t s = 0; s < n; ++s)
    std::memcpy(to + s * to_stride, from + s * stride, sizeof(float) * static_cast<size_t>(F ? F : width));
}

void copy_features(const float* from, int64_t stride, float* to, int64_t to_stride, int64_t n, int width) {
  switch (width) {
    case 1: return copy_rows<1>(from, stride, to, to_stride, n, width);
    case 2: return copy_rows<2>(from, stride, to, to_stride, n, width);
    case 4: return copy_rows<4>(from, stride, to, to_stride, n, width);
    case 8: return copy_rows<8>(from, stride, to, to_stride, n, width);
    default: return copy_rows<0>(from, stride, to, to_stride, n, width);
  }
}

// Asks for the next tile's memory while this one is computed. An address beyond the end does no harm.
DREAMLAB_INLINE void expect(const float* from, int64_t floats) {
  for (int64_t i = 0; i < floats; i += 16) __builtin_prefetch(from + i, 0, 2);
}

// n samples' features into a tile whose other entries are zero.
void load_tile(const Features<const float>& from, int levels, int64_t at, int64_t n, int width, float* tile) {
  const int wide = padded(width), each = width / levels;
  if (width != wide || n < kTile) std::memset(tile, 0, sizeof(float) * static_cast<size_t>(kTile * wide));
  for (int l = 0; l < levels; ++l) {
    const float* here = from.data + at * from.row + l * from.level;
    if (n == kTile) expect(here + kTile * from.row, kTile * from.row);
    copy_features(here, from.row, tile + l * each, wide, n, each);
  }
}

// hidden, if not null, keeps the hidden activations: hidden_floats a tile.
void mlp_forward(const Mlp& mlp, const Features<const float>& input, int levels, int64_t begin, int64_t end,
                 float* hidden, float* out, float* work) {
  const int last = mlp.width[mlp.layers];
  for (int64_t at = begin; at < end; at += kTile) {
    const int64_t n = end - at < kTile ? end - at : kTile;
    load_tile(input, levels, at, n, mlp.width[0], work);
    const Activations tile(mlp, at / kTile, hidden, work);
    Ahead ahead = tile.next(mlp, hidden);
    forward_tile(mlp, tile, mlp.layers, ahead);
    copy_features(tile.layer[mlp.layers], padded(last), out + at * last, last, n, last);
  }
}

// Without the hidden activations that mlp_forward may have kept, they are computed again.
void mlp_backward(const Mlp& mlp, const Features<const float>& input, int levels, float* hidden, const float* gradient,
                  int64_t begin, int64_t end, float* partial, const Features<float>& input_gradient, float* work) {
  const int in = mlp.width[0], last = mlp.width[mlp.layers];
  const Features<const float> of_output{gradient, last, 0};
  float* g = work + (kMaxLayers + 1) * kTileFloats;
  float* next = g + kTileFloats;
  for (int64_t at = begin; at < end; at += kTile) {
    const int64_t n = end - at < kTile ? end - at : kTile;
    load_tile(input, levels, at, n, in, work);
    const Activations tile(mlp, at / kTile, hidden, work);
    Ahead ahead = tile.next(mlp, hidden);
    if (!hidden) forward_tile(mlp, tile, mlp.layers - 1, ahead);
    load_tile(of_output, 1, at, n, last, g);
    for (int l = mlp.layers - 1; l >= 0; --l) {
      const int wide_in = padded(mlp.width[l]), wide_out = padded(mlp.width[l + 1]);
      const float* a = tile.layer[l];
      const int rows_of_weight = wide_in % (kColumns * kLanes) ? wide_out : (mlp.width[l + 1] + 3) / 4 * 4;
      product<true, After::add>(rows_of_weight, wide_in, kTile, g, wide_out, a, wide_in,
                                partial + mlp.gradient_offset[l], wide_in, ahead);
      if (l == 0 && !input_gradient.data) break;
      product<false, After::nothing>(kTile, wide_in, mlp.width[l + 1], g, wide_out, mlp.weight[l], wide_in, next,
                                     wide_in, ahead, l > 0 ? a : nullptr);
      float* spent = g;
      g = next;
      next = spent;
    }
    if (!input_gradient.data) continue;
    const int each = in / levels;
    for (int l = 0; l < levels; ++l)
      copy_features(g + l * each, padded(in), input_gradient.data + at * input_gradient.row + l * input_gradient.level,
                    input_gradient.row, n, each);
  }
}

}  // namespace
